import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type INestApplication } from '@nestjs/common';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { MAuthConfigurationError } from '../../lib/config/errors.js';
import { bytes, flipped } from '../support/body-kinds.js';
import {
  PLATFORM_NAMES,
  readAll,
  startInboundApp,
  type InboundApp,
  type InboundAppOptions,
} from '../support/inbound-app.js';
import { RawConnection, type RawAnswer } from '../support/raw-connection.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const OCTETS = { 'content-type': 'application/octet-stream' };
const UNAUTHORIZED = { errors: { mauth: ['Unauthorized'] } };
const DOOR = { protect: 'everything', exempt: ['/app_status'] } as const;

describe.each(PLATFORM_NAMES)('A gate in front of everything on %s', (platform) => {
  let app: InboundApp;
  let folder: string;
  const reached: string[] = [];
  const connections: RawConnection[] = [];

  /** What an application may serve beside its controllers. */
  function prepare(nest: INestApplication): void {
    nest.use((request: IncomingMessage, _response: ServerResponse, next: () => void) => {
      reached.push(`middleware ${request.method}`);
      next();
    });
    if (platform === 'Express') {
      const express = nest as NestExpressApplication;
      express.useStaticAssets(folder, { prefix: '/static' });
      const instance = express.getHttpAdapter().getInstance();
      instance.get('/mounted', (_request: unknown, response: { end(text: string): void }) =>
        response.end('mounted'),
      );
      instance.post('/mounted', (request: IncomingMessage, response: { end(text: string): void }) => {
        void readAll(request).then((body) => response.end(`mounted ${body.length}`));
      });
    } else {
      const instance = (nest as NestFastifyApplication).getHttpAdapter().getInstance();
      instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      instance.get('/mounted', (_request, reply) => reply.send('mounted'));
      instance.post('/mounted', async (request) => `mounted ${(await readAll(request.raw)).length}`);
      void instance.register(async (plugin) => {
        plugin.get('/static/file.txt', async () => 'static');
      });
    }
  }

  const options: InboundAppOptions = { gate: DOOR, prepare };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'static-'));
    writeFileSync(join(folder, 'file.txt'), 'static');
    app = await startInboundApp(platform, options);
  });
  afterAll(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    app.deliveries.length = 0;
    app.logger.lines.length = 0;
    reached.length = 0;
  });
  afterEach(() => connections.splice(0).forEach((connection) => connection.destroy()));

  async function raw(
    startLine: string,
    headers: Record<string, string | number> = {},
    body: string | Uint8Array = '',
  ): Promise<RawAnswer | undefined> {
    const connection = await RawConnection.open(app.port);
    connections.push(connection);
    await connection.writeHead(startLine, headers);
    await connection.write(body);
    return connection.answer();
  }

  it.each(['/receive', '/open', '/static/file.txt', '/mounted', '/no/such/page', '/', '/app_status/sub'])(
    'lets nobody reach %s unsigned, and everybody signed',
    async (path) => {
      const unsigned = await sendBytes({ port: app.port, method: 'GET', path });
      expect(unsigned.status).toBe(401);
      expect(JSON.parse(unsigned.text)).toEqual(UNAUTHORIZED);
      expect(unsigned.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(reached).toEqual([]);
      const signed = await sendSigned({ port: app.port, method: 'GET', path });
      expect(signed.status).not.toBe(401);
      expect(signed.status).toBe(/no|sub|^.$/.test(path) ? 404 : 200);
      expect(reached).toEqual(['middleware GET']);
    },
  );

  it.each(['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE'])(
    'does not care that the method is %s',
    async (method) => {
      const answer = await sendBytes({ port: app.port, method, path: '/receive' });
      expect(answer.status).toBe(401);
      expect(reached).toEqual([]);
    },
  );

  it('lets exempt paths pass, with any query and method', async () => {
    for (const path of ['/app_status', '/app_status?', '/app_status?deep=../x&%2e%2e/']) {
      for (const method of ['GET', 'POST', 'HEAD']) {
        expect((await sendBytes({ port: app.port, method, path })).status).toBeLessThan(300);
      }
    }
  });

  it.each([
    '/app_status/',
    '/app_status/../receive',
    '/app_status/..%2freceive',
    '//app_status',
    '/./app_status',
    '/app_status%2f',
    '/app_status%00',
    '/app%5fstatus',
    '/APP_STATUS',
    '/app_status;x',
    '/app_status#x',
    '/receive?/app_status',
    '\\app_status',
    '/app_status\\..\\receive',
    'http://127.0.0.1/app_status',
    '*',
  ])('does not take %s for an exempt path', async (target) => {
    const answer = await raw(`GET ${target}`);
    // Node itself refuses what is no target at all.
    expect([400, 401]).toContain(answer?.status);
    expect(reached).toEqual([]);
    expect((await raw('GET /app_status'))?.status).toBe(200);
  });

  it('verifies once, and the guard behind it is told the same', async () => {
    const body = bytes(2000);
    expect((await sendSigned({ port: app.port, headers: OCTETS, body }, 'v1,v2')).status).toBe(200);
    expect(app.deliveries).toHaveLength(1);
    const bad = await sendBytes({
      port: app.port,
      body: flipped(body, 7),
      headers: { ...OCTETS, ...(await signatureOf({ body })) },
    });
    expect(bad.status).toBe(401);
    expect(app.deliveries).toHaveLength(1);
    expect(app.logger.lines.filter(({ message }) => message.includes('signature_mismatch'))).toHaveLength(1);
  });

  it.each([
    ['JSON', 'application/json', '{"a":1}', '/receive'],
    ['urlencoded', 'application/x-www-form-urlencoded', 'a=1', '/receive'],
    ['octets', 'application/octet-stream', 'x'.repeat(300_000), '/receive'],
    ['octets for a mounted router', 'application/octet-stream', 'x'.repeat(300_000), '/mounted'],
  ])('hands %s on to parsers and handlers behind it', async (_, type, text, path) => {
    const body = Buffer.from(text);
    const answer = await sendSigned({ port: app.port, path, headers: { 'content-type': type }, body });
    expect(answer.status).toBe(200);
    if (path === '/mounted') expect(answer.text).toBe('mounted 300000');
    else expect(app.deliveries).toEqual([expect.objectContaining({ url: '/receive' })]);
    const changed = await sendBytes({
      port: app.port,
      path,
      body: flipped(body, 0),
      headers: { 'content-type': type, ...(await signatureOf({ body, path })) },
    });
    expect(changed.status).toBe(401);
  });

  it('refuses a body that was added to a request signed without one', async () => {
    const headers = { ...(await signatureOf({ path: '/receive' })), ...OCTETS, 'content-length': 5 };
    expect((await raw('POST /receive', headers, 'added'))?.status).toBe(401);
    expect(app.deliveries).toEqual([]);
  });

  it('answers a body above the limit with 413, and a full budget with 503 and Retry-After', async () => {
    const limited = await startInboundApp(platform, {
      ...options,
      options: { body: { maxHeldBytes: 100_000, maxHeldBytesTotal: 50_000 } },
    });
    try {
      const large = await sendSigned({ port: limited.port, headers: OCTETS, body: bytes(100_001) });
      expect([large.status, JSON.parse(large.text)]).toEqual([
        413,
        { errors: { mauth: ['Request body too large'] } },
      ]);
      const full = await sendSigned({ port: limited.port, headers: OCTETS, body: bytes(60_000) });
      expect(full.status).toBe(503);
      expect(full.headers['retry-after']).toMatch(/^\d+$/);
    } finally {
      await limited.close();
    }
  });

  it('answers 408 when a body does not come', async () => {
    const impatient = await startInboundApp(platform, { ...options, options: { body: { timeoutMs: 100 } } });
    try {
      const connection = await RawConnection.open(impatient.port);
      const signature = await signatureOf({ path: '/mounted', body: bytes(10) });
      await connection.writeHead('POST /mounted', { ...signature, 'content-length': 10 });
      expect((await connection.answer())?.status).toBe(408);
      await connection.closed();
    } finally {
      await impatient.close();
    }
  });

  it('stands behind CORS, wherever that is switched on', async () => {
    for (const cors of [
      { nest: { cors: true } },
      { prepare: (nest: INestApplication) => nest.enableCors() },
    ]) {
      const open = await startInboundApp(platform, { ...options, ...cors });
      try {
        const origin = { origin: 'http://a.example', 'access-control-request-method': 'POST' };
        const preflight = { port: open.port, path: '/receive', method: 'OPTIONS', headers: origin };
        expect((await sendBytes(preflight)).status).toBe(204);
        const unsigned = await sendBytes({ ...preflight, method: 'GET' });
        expect([unsigned.status, unsigned.headers['access-control-allow-origin']]).toEqual([401, '*']);
        expect((await sendSigned({ ...preflight, method: 'GET' })).status).toBe(200);
      } finally {
        await open.close();
      }
    }
  });

  it('leaves errors of a middleware behind it to the platform', async () => {
    const throwing = await startInboundApp(platform, {
      ...options,
      prepare: (nest) =>
        nest.use(() => {
          throw new Error('of the application');
        }),
    });
    try {
      expect((await sendSigned({ port: throwing.port, headers: OCTETS, body: bytes(9) })).status).toBe(500);
      expect((await sendBytes({ port: throwing.port })).status).toBe(401);
    } finally {
      await throwing.close();
    }
  });

  it('refuses exempt paths that are none, at start-up', async () => {
    for (const path of ['app_status', '/app_status?x=1', '', '/a#b']) {
      const gate = { protect: 'everything', exempt: [path] } as const;
      await expect(startInboundApp(platform, { gate })).rejects.toThrow(MAuthConfigurationError);
    }
  });
});
