import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { bytes, flipped } from '../support/body-kinds.js';
import { caller, PLATFORM_NAMES, service, startInboundApp, type InboundApp } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const KINDS = [
  ['no body', undefined, undefined, undefined],
  ['JSON', 'application/json', Buffer.from('{"a":1}'), undefined],
  ['JSON in chunks', 'application/json', Buffer.from(JSON.stringify({ a: 'x'.repeat(9000) })), 10],
  ['octets', 'application/octet-stream', bytes(1000), undefined],
  ['a megabyte in chunks', 'application/octet-stream', bytes(1_000_000), 9999],
] as const;

describe.each(PLATFORM_NAMES)('Bodies that the MAuth service verifies, on %s', (platform) => {
  describe.each(['routes', 'everything'] as const)('with protection of %s', (protect) => {
    let mauth: MAuthServiceStandIn;
    let app: InboundApp;

    beforeAll(async () => {
      mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
      const streams = (nest: INestApplication) => {
        nest.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
          if (!request.url?.startsWith('/early')) return next();
          request.resume();
          response.end('answered before the body is there');
        });
        if (platform !== 'Fastify') return;
        const instance = (nest as NestFastifyApplication).getHttpAdapter().getInstance();
        instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      };
      app = await startInboundApp(platform, {
        gate: { protect },
        prepare: streams,
        options: {
          mode: 'remote',
          mauthUrl: mauth.url,

          findPublicKey: undefined,
        },
      });
    });
    afterAll(async () => {
      await app.close();
      await mauth.stop();
    });

    it('do not count any more once the answer is out', async () => {
      if (protect === 'everything') return; // The gate reads the body before anybody can answer.
      const connection = await RawConnection.open(app.port);
      const body = bytes(10_000);
      await connection.writeHead('POST /early', {
        ...(await signatureOf({ path: '/early', body })),
        'content-length': body.length,
      });
      await connection.write(body.subarray(0, 5000));
      expect((await connection.answer())?.status).toBe(200);
      await connection.write(body.subarray(5000));
      await connection.writeHead('GET /early');
      expect((await connection.answer())?.status).toBe(200);
      expect(HeldBytesBudget.held).toBe(0);
      connection.destroy();
    });

    it('count against the budget of the process until the service has answered', async () => {
      const body = Buffer.from(JSON.stringify({ a: 'x'.repeat(5000) }));
      let held: number | undefined;
      mauth.fail((_request, response) => {
        held = HeldBytesBudget.held;
        response.writeHead(204).end();
      });
      const answer = await sendSigned({
        port: app.port,
        headers: { 'content-type': 'application/json' },
        body,
      });
      mauth.fail(undefined);
      expect([answer.status, held]).toEqual([200, body.length]);
      expect(HeldBytesBudget.held).toBe(0);
    });

    it.each(KINDS)('are the bytes on the wire: %s', async (_, type, body, chunkSize) => {
      app.deliveries.length = 0;
      const request = { port: app.port, headers: { ...(type && { 'content-type': type }) }, body, chunkSize };
      for (const version of ['v1', 'v2'] as const) {
        expect((await sendSigned(request, version)).status).toBe(200);
      }
      expect(app.deliveries).toHaveLength(2);
      const signature = await signatureOf({ body: body ? flipped(body, body.length >> 1) : bytes(1) });
      const refused = await sendBytes({ ...request, headers: { ...request.headers, ...signature } });
      expect(refused.status).toBe(401);
      expect(app.deliveries).toHaveLength(2);
      expect(HeldBytesBudget.held).toBe(0);
    });
  });
});
