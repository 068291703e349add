import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { createAdapter, readAll, startInboundApp, type InboundApp } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { signatureOf } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

const { privateKeyPem: privateKey } = createTestApp();
const BODY = Buffer.alloc(100, 'x');
const PATH = '/ignore';

describe('A caller that goes away while its request is being verified', () => {
  let service: Server;
  let mauthUrl: string;
  let isAsked: Promise<void>;
  let decide: () => void;
  let app: InboundApp;

  beforeEach(async () => {
    const isDecided = new Promise<void>((resolve) => (decide = resolve));
    isAsked = new Promise<void>((asked) => {
      service = createServer((request, response) => {
        void readAll(request)
          .then(() => asked())
          .then(() => isDecided)
          .then(() => response.writeHead(204).end());
      });
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    mauthUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    service.closeAllConnections();
    service.close();
  });

  async function expectRefusal(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 100));
    // The question to the service still holds it.
    expect(HeldBytesBudget.held).toBe(BODY.length);
    decide();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(HeldBytesBudget.held).toBe(0);
    expect(app.codes()).toEqual(['body_aborted']);
    expect(app.deliveries).toEqual([]);
  }

  it('takes its held body along, so no handler runs without it, on HTTP/1', async () => {
    app = await startInboundApp('Express', { options: { mode: 'remote', mauthUrl, privateKey } });
    const connection = await RawConnection.open(app.port);
    await connection.writeHead(`POST ${PATH}`, {
      ...(await signatureOf({ path: PATH, body: BODY })),
      'content-type': 'application/octet-stream',
      'content-length': BODY.length,
    });
    await connection.write(BODY);
    await isAsked;
    connection.destroy();
    await expectRefusal();
    await app.close();
  });

  it('takes its held body along, so no handler runs without it, and the process lives, on HTTP/2', async () => {
    app = await startInboundApp('Fastify', {
      adapter: createAdapter('Fastify', { http2: true }),
      options: { mode: 'remote', mauthUrl, privateKey },
    });
    const client = connectHttp2(`http://127.0.0.1:${app.port}`);
    const stream = client.request({
      ':method': 'POST',
      ':path': PATH,
      ...(await signatureOf({ path: PATH, body: BODY })),
    });
    stream.on('error', () => undefined).end(BODY);
    await isAsked;
    stream.close(8 /* CANCEL */);
    await expectRefusal();
    client.destroy();
    await app.app.close();
  });
});
