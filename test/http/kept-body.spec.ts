import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type INestApplication } from '@nestjs/common';
import { createTestApp } from '../support/test-app.js';
import { PLATFORM_NAMES, readAll, startInboundApp } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { signatureOf } from '../support/signed-http.js';

const { privateKeyPem: privateKey } = createTestApp();

describe.each(PLATFORM_NAMES)('A body that the MAuth service is asked about on %s', (platform) => {
  let service: Server;
  let mauthUrl: string;
  /** Lengths of the bodies that were asked about. */
  const asked: number[] = [];

  beforeAll(async () => {
    // Only the empty body was signed.
    service = createServer((request, response) => {
      void readAll(request).then((bytes) => {
        const { authentication_ticket: ticket } = JSON.parse(bytes.toString()) as {
          authentication_ticket: { b64encoded_body: string };
        };
        asked.push(Buffer.from(ticket.b64encoded_body, 'base64').length);
        response.writeHead(ticket.b64encoded_body === '' ? 204 : 412).end();
      });
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    mauthUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    service.closeAllConnections();
    service.close();
  });

  it('is not taken for an empty one when its caller goes away before it is asked about', async () => {
    let reached = () => {};
    const isReached = new Promise<void>((resolve) => (reached = resolve));
    let leave = () => {};
    const hasLeft = new Promise<void>((resolve) => (leave = resolve));
    const slow = {
      canActivate: async (context: { switchToHttp(): { getResponse<T>(): T } }) => {
        const found = context
          .switchToHttp()
          .getResponse<{ raw?: NodeJS.EventEmitter } & NodeJS.EventEmitter>();
        (found.raw ?? found).once('close', leave);
        reached();
        await hasLeft;
        return true;
      },
    };
    const app = await startInboundApp(platform, {
      options: { mode: 'remote', mauthUrl, privateKey },
      prepare: (nest: INestApplication) => nest.useGlobalGuards(slow),
    });
    try {
      const body = '{"evil":true}';
      const connection = await RawConnection.open(app.port);
      await connection.writeHead('POST /receive', {
        ...(await signatureOf({})),
        'content-type': 'application/json',
        'content-length': body.length,
      });
      await connection.write(body);
      await isReached;
      connection.destroy();
      await hasLeft;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect({
        deliveries: app.deliveries,
        emptyBodiesAsked: asked.filter((length) => length === 0),
      }).toEqual({
        deliveries: [],
        emptyBodiesAsked: [],
      });
      expect(app.codes()).toEqual(['body_aborted']);
    } finally {
      await app.close();
    }
  });
});
