import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, HttpCode, Post, Req, UseGuards, type INestApplication } from '@nestjs/common';
import { HttpAdapterHost, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { ExemptPaths } from '../../lib/http/gate.js';
import { getMAuthIdentity } from '../../lib/http/identity.js';
import { InboundAuthenticator } from '../../lib/nest/inbound-authenticator.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { bytes, flipped } from '../support/body-kinds.js';
import {
  AuthenticatingGuard,
  caller,
  PLATFORM_NAMES,
  readAll,
  sha256,
  startInboundApp,
  type InboundApp,
  type InboundAppOptions,
  type PlatformName,
} from '../support/inbound-app.js';
import { RecordingLogger } from '../support/running-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const BODY = Buffer.from('{"a":1}');

type Next = () => void;

/** An adapter around an instance that has a middleware or hook already. */
function adapterWith(
  platform: PlatformName,
  before: (request: IncomingMessage, next: Next) => void,
): AbstractHttpAdapter {
  if (platform === 'Express') {
    const instance = express();
    instance.use((request, _response, next) => before(request, next));
    return new ExpressAdapter(instance);
  }
  const instance = fastify();
  instance.addHook('onRequest', (request, _reply, done) => before(request.raw, done));
  return new FastifyAdapter(instance as never);
}

@Controller()
class IdentityController {
  @Post('whoami')
  @HttpCode(200)
  @UseGuards(AuthenticatingGuard)
  whoAmI(@Req() request: object) {
    const identity = getMAuthIdentity(request);
    const raw = (request as { raw?: object }).raw ?? request;
    return {
      ...identity,
      isFrozen: Object.isFrozen(identity),
      isSameOnRaw: getMAuthIdentity(raw) === identity,
      keys: Object.keys(raw).filter((key) => /mauth|identity/i.test(key)),
    };
  }
}

describe.each(PLATFORM_NAMES)('The way in on %s', (platform) => {
  let running: InboundApp | undefined;
  let front: Server | undefined;

  async function start(options: InboundAppOptions = {}): Promise<InboundApp> {
    running = await startInboundApp(platform, options);
    return running;
  }

  /** Another server in front of the application, which hands requests over later. */
  async function startBehind(
    before: (request: IncomingMessage) => Promise<unknown>,
    options: InboundAppOptions = {},
  ): Promise<number> {
    const { app } = await start(options);
    const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
    const handOver = instance.routing ?? instance;
    front = createServer((request, response) => {
      void before(request).then(() => handOver(request, response));
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    return (front.address() as AddressInfo).port;
  }

  afterEach(async () => {
    front?.close();
    await running?.close();
    front = running = undefined;
  });

  it('hands out a frozen identity that belongs to the request alone', async () => {
    const { port } = await start({ controllers: [IdentityController] });
    const answer = await sendSigned({ port, path: '/whoami', body: BODY, headers: JSON_TYPE });
    expect(JSON.parse(answer.text)).toEqual({
      appUuid: caller.appUuid,
      protocolVersion: 2,
      isFrozen: true,
      isSameOnRaw: true,
      keys: [],
    });
    expect(getMAuthIdentity(undefined)).toBeUndefined();
    expect(getMAuthIdentity({ headers: {} })).toBeUndefined();
  });

  it('tells signed requests from others by their authentication headers alone', async () => {
    const seen: boolean[] = [];
    const look = (request: IncomingMessage) =>
      seen.push(running?.inbound?.requests.hasMAuthHeaders(request) ?? false);
    const app = await start({
      prepare: (nest) =>
        nest.use((request: IncomingMessage, _response: ServerResponse, next: Next) => {
          look(request);
          next();
        }),
    });
    for (const headers of [
      {},
      { 'mcc-time': 1 },
      { 'mcc-authentication': '' },
      { 'x-mws-authentication': 'x' },
    ]) {
      await sendBytes({ port: app.port, path: '/open', headers: headers as never });
    }
    expect(seen).toEqual([false, false, true, true]);
  });

  it('sees bodies that came before it, behind a slow server', async () => {
    const port = await startBehind(() => sleep(50));
    for (const body of [BODY, Buffer.from(JSON.stringify({ long: 'x'.repeat(99_000) }))]) {
      expect((await sendSigned({ port, headers: JSON_TYPE, body })).status).toBe(200);
      expect((await sendSigned({ port, headers: JSON_TYPE, body, chunkSize: 2000 })).status).toBe(200);
      const forged = { ...JSON_TYPE, ...(await signatureOf({ body })) };
      const changed = Buffer.from(body.toString().replace('{', ' {'));
      expect((await sendBytes({ port, headers: forged, body: changed })).status).toBe(401);
    }
    expect(running?.deliveries).toHaveLength(4);
    expect(running?.deliveries[0]?.parsed).toEqual({ a: 1 });
  });

  it('sees bodies that a middleware or hook reads which was there before it', async () => {
    const adapter = adapterWith(platform, (request, next) => void readAll(request).then(() => next()));
    const { port, deliveries } = await start({ adapter, nest: { bodyParser: false } });
    const ignored = { port, method: 'GET', path: '/ignore', body: BODY };
    expect((await sendSigned(ignored)).status).toBe(200);
    const signedEmpty = await signatureOf({ method: 'GET', path: '/ignore' });
    expect((await sendBytes({ ...ignored, headers: signedEmpty })).status).toBe(401);
    expect(deliveries).toHaveLength(1);
  });

  describe('behind a server that reads bodies before it hands requests over', () => {
    it('refuses with 503, and says so loudly', async () => {
      const port = await startBehind(readAll, { nest: { bodyParser: false } });
      expect((await sendSigned({ port, method: 'GET', path: '/ignore', body: BODY })).status).toBe(503);
      expect(running?.deliveries).toEqual([]);
      expect(running?.codes()).toEqual(['body_unavailable']);
      expect(running?.logger.lines.map(({ level }) => level)).toEqual(['error', 'warn']);
      expect(running?.logger.lines[0]?.message).toContain('read before it could be authenticated');
    });

    it('never takes such a body for an empty one', async () => {
      const port = await startBehind(readAll, { nest: { bodyParser: false } });
      const headers = await signatureOf({ method: 'GET', path: '/ignore' });
      const answer = await sendBytes({ port, method: 'GET', path: '/ignore', headers, body: BODY });
      expect(answer.status).toBe(503);
      expect(running?.deliveries).toEqual([]);
    });
  });

  it('verifies the target that the caller sent, under prefixes and in spellings of its own', async () => {
    const { port } = await start({ prepare: (nest) => nest.setGlobalPrefix('api') });
    for (const path of ['/api/receive', "/api/receive?a=b&c='%27%C3%A9+~*()", '/api/receive?']) {
      expect((await sendSigned({ port, path, body: BODY, headers: JSON_TYPE }, 'v1')).status).toBe(200);
      expect((await sendSigned({ port, path, body: BODY, headers: JSON_TYPE }, 'v2')).status).toBe(200);
    }
  });

  it('verifies the target that `requestTarget` tells, and refuses when it tells none', async () => {
    const requestTarget = jest.fn((request: unknown) => {
      const { headers } = request as IncomingMessage;
      if (headers['x-sent-as'] === 'throw') throw new Error('no idea');
      return headers['x-sent-as'] as string;
    });
    const { port, logger } = await start({ options: { requestTarget } });
    const signature = await signatureOf({ path: '/outside/receive', body: BODY });
    const send = (sentAs?: string) =>
      sendBytes({
        port,
        body: BODY,
        headers: { ...JSON_TYPE, ...signature, ...(sentAs && { 'x-sent-as': sentAs }) },
      });
    expect((await send('/outside/receive')).status).toBe(200);
    expect((await send('/receive')).status).toBe(401);
    expect((await send()).status).toBe(401);
    expect((await send('throw')).status).toBe(401);
    expect(logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'MAuth: option `requestTarget` must return path and query as text',
      'MAuth: option `requestTarget` threw an error',
    ]);
  });

  it.each([
    ['a gate', { gate: { protect: 'everything' } }],
    ['MAuthMiddleware', { asks: 'middleware' }],
  ] as const)(
    'refuses an ambiguous path also where `requestTarget` tells another one (%s)',
    async (_, how) => {
      const options = { requestTarget: () => '/outside' };
      const { port, logger } = await start({ options, ...how });
      const headers = await signatureOf({ method: 'GET', path: '/outside' });
      expect((await sendBytes({ port, method: 'GET', path: '/no/..%2freceive', headers })).status).toBe(401);
      expect(logger.lines.map(({ message }) => message)).toEqual([
        expect.stringContaining('(ambiguous_path)'),
      ]);
      expect((await sendBytes({ port, method: 'GET', path: '/receive', headers })).status).toBe(200);
    },
  );

  it('accepts what the policy calls ambiguous when `pathPolicy` is `protocol`', async () => {
    const strict = await start();
    expect((await sendSigned({ port: strict.port, path: '/receive%5c' })).status).toBe(404);
    await strict.close();
    const { port } = await start({ options: { pathPolicy: 'protocol' }, gate: { protect: 'everything' } });
    expect((await sendSigned({ port, path: '/receive%5c' })).status).toBe(404);
    expect((await sendBytes({ port, path: '/receive%5c' })).status).toBe(401);
  });

  it('lets middleware of the application come after it', async () => {
    let wasWatched = false;
    const { port } = await start({
      gate: { protect: 'everything' },
      prepare: (nest: INestApplication) =>
        nest.use((request: IncomingMessage, _response: ServerResponse, next: Next) => {
          wasWatched = getMAuthIdentity(request) !== undefined;
          next();
        }),
    });
    expect((await sendSigned({ port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
    expect(wasWatched).toBe(true);
  });

  it('hands a body to a middleware that reads it, byte for byte', async () => {
    const read: number[] = [];
    const { port, deliveries } = await start({
      prepare: (nest: INestApplication) =>
        nest.use((request: IncomingMessage, _response: ServerResponse, next: Next) => {
          void readAll(request).then((body) => {
            read.push(body.length);
            next();
          });
        }),
    });
    const body = bytes(300_000);
    const path = '/ignore';
    expect((await sendSigned({ port, method: 'GET', path, body })).status).toBe(200);
    const forged = await signatureOf({ method: 'GET', path, body });
    const answer = await sendBytes({
      port,
      method: 'GET',
      path,
      body: flipped(body, 150_000),
      headers: forged,
    });
    expect(answer.status).toBe(401);
    expect(read).toEqual([300_000, 300_000]);
    expect(deliveries).toHaveLength(1);
  });

  it('watches a body, too, when a middleware adds the signature', async () => {
    const signature = await signatureOf({ path: '/ignore' });
    const app = await start({
      nest: { bodyParser: false },
      prepare: (nest) =>
        nest.use(({ headers }: IncomingMessage, _response: ServerResponse, next: Next) => {
          for (const [name, value] of Object.entries(signature)) headers[name.toLowerCase()] = value;
          next();
        }),
    });
    expect((await sendBytes({ port: app.port, path: '/ignore' })).status).toBe(200);
    const octets = { 'content-type': 'text/plain' };
    const added = await sendBytes({ port: app.port, path: '/ignore', headers: octets, body: BODY });
    // Fastify has parsed text by then, so its bytes cannot be had any more.
    expect(added.status).toBe(platform === 'Express' ? 401 : 503);
    expect(app.deliveries).toHaveLength(1);
  });

  it('does not blame the application when a caller goes away behind a slow middleware', async () => {
    const adapter = adapterWith(platform, (_request, next) => void setTimeout(next, 100));
    const app = await start({ adapter });
    const connection = await RawConnection.open(app.port);
    const headers = {
      ...(await signatureOf({ body: BODY })),
      'content-type': 'application/x',
      'content-length': 7,
    };
    await connection.writeHead('POST /receive', headers);
    await connection.write('{"a"');
    connection.destroy();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(app.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(app.deliveries).toEqual([]);
    expect((await sendSigned({ port: app.port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
  });

  it('refuses a request that came another way', async () => {
    const app = await start();
    const outcome = await app.inbound?.requests.authenticate({ headers: {}, method: 'GET', url: '/receive' });
    expect(outcome).toEqual({ authentic: false, status: 503, code: 'body_unavailable' });
    expect(app.logger.lines).toEqual([expect.objectContaining({ level: 'error' })]);
  });

  it('tells every pass the same, and checks the route’s limit at each', async () => {
    const app = await start();
    let passes: unknown[] = [];
    const inbound = (app.inbound as InboundAuthenticator).requests;
    const original = inbound.authenticate.bind(inbound);
    jest.spyOn(inbound, 'authenticate').mockImplementation(async (request) => {
      passes = await Promise.all([
        original(request),
        original(request),
        original(request, { maxBodyBytes: 3 }),
      ]);
      return original(request);
    });
    expect((await sendSigned({ port: app.port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
    const identity = { authentic: true, appUuid: caller.appUuid, protocolVersion: 2 };
    expect(passes).toEqual([identity, identity, { authentic: false, status: 413, code: 'body_too_large' }]);
  });
});

describe('The way in on Express alone', () => {
  let running: InboundApp | undefined;
  afterEach(() => running?.close());

  it('verifies the whole target where the application is mounted in another one', async () => {
    running = await startInboundApp('Express');
    const { app, deliveries } = running;
    const outer = express().use('/outer', app.getHttpAdapter().getInstance() as express.Express);
    const server = outer.listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const request = { port, path: '/outer/receive', body: BODY, headers: JSON_TYPE };
      expect((await sendSigned(request)).status).toBe(200);
      const within = { ...JSON_TYPE, ...(await signatureOf({ path: '/receive', body: BODY })) };
      expect((await sendBytes({ ...request, headers: within })).status).toBe(401);
      expect(deliveries).toHaveLength(1);
    } finally {
      server.close();
    }
  });

  it('stands in front of what only looks like Express', async () => {
    const instance = new Proxy(express(), {
      get: (application, name) => (name === 'handle' ? undefined : Reflect.get(application, name)),
    });
    running = await startInboundApp('Express', { adapter: new ExpressAdapter(instance) });
    const { port, deliveries } = running;
    expect((await sendSigned({ port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
    expect((await sendBytes({ port, body: BODY, headers: JSON_TYPE })).status).toBe(401);
    expect(deliveries).toHaveLength(1);
  });
});

describe('The way in on Fastify alone', () => {
  let running: InboundApp | undefined;
  afterEach(() => running?.close());

  it.each(['decorated', 'everything'] as const)(
    'verifies the target before `rewriteUrl` (%s)',
    async (protect) => {
      const adapter = new FastifyAdapter({
        rewriteUrl: ({ url = '' }: { url?: string }) => url.replace('/outside', ''),
      } as never) as unknown as AbstractHttpAdapter;
      running = await startInboundApp('Fastify', { adapter, gate: { protect, exempt: [] } });
      const { port } = running;
      expect(
        (await sendSigned({ port, path: '/outside/receive?a=1', body: BODY, headers: JSON_TYPE })).status,
      ).toBe(200);
      const signature = await signatureOf({ path: '/receive?a=1', body: BODY });
      const rewritten = {
        port,
        path: '/outside/receive?a=1',
        body: BODY,
        headers: { ...JSON_TYPE, ...signature },
      };
      expect((await sendBytes(rewritten)).status).toBe(401);
    },
  );

  it.each(['decorated', 'everything'] as const)(
    'verifies what is injected without a server (%s)',
    async (protect) => {
      running = await startInboundApp('Fastify', { gate: { protect, exempt: [] } });
      const inject = (payload: Buffer | Readable, headers: object) =>
        (running?.app as NestFastifyApplication).inject({
          method: 'POST',
          url: '/receive',
          payload,
          headers: { ...JSON_TYPE, ...headers },
        });
      const signature = await signatureOf({ body: BODY });
      expect((await inject(BODY, signature)).statusCode).toBe(200);
      expect((await inject(Buffer.from('{"a":2}'), signature)).statusCode).toBe(401);
      expect((await inject(BODY, {})).statusCode).toBe(401);
      // A stream comes without a header that announces it.
      expect((await inject(Readable.from([BODY]), signature)).statusCode).toBe(200);
      // An empty chunk is no byte behind the announced length.
      const announced = { ...signature, 'content-length': String(BODY.length) };
      expect((await inject(Readable.from([BODY, Buffer.alloc(0)]), announced)).statusCode).toBe(200);
      const signedEmpty = await signatureOf({});
      expect((await inject(Readable.from([BODY]), signedEmpty)).statusCode).toBe(401);
    },
  );

  it.each(['decorated', 'everything'] as const)(
    'refuses what goes on behind its announced length (%s)',
    async (protect) => {
      running = await startInboundApp('Fastify', {
        gate: { protect, exempt: [] },
        prepare: (nest) =>
          (nest as NestFastifyApplication)
            .getHttpAdapter()
            .getInstance()
            .addContentTypeParser('*', (_request, payload, done) => done(null, payload)),
      });
      for (const type of ['application/json', 'application/octet-stream']) {
        const answer = await (running.app as NestFastifyApplication).inject({
          method: 'POST',
          url: '/receive',
          payload: Readable.from([BODY, Buffer.from(' ')]),
          headers: {
            ...(await signatureOf({ body: BODY })),
            'content-type': type,
            'content-length': String(BODY.length),
          },
        });
        expect([400, 401, 413]).toContain(answer.statusCode);
      }
      expect(running.deliveries).toEqual([]);
    },
  );

  it.each(['decorated', 'everything'] as const)('verifies requests of HTTP/2 (%s)', async (protect) => {
    const adapter = new FastifyAdapter({ http2: true } as never) as unknown as AbstractHttpAdapter;
    const streams = (nest: INestApplication) =>
      (nest as NestFastifyApplication)
        .getHttpAdapter()
        .getInstance()
        .addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const options = { body: { maxHeldBytes: 500_000, timeoutMs: 1500 } };
    running = await startInboundApp('Fastify', {
      adapter,
      prepare: streams,
      options,
      gate: { protect, exempt: [] },
    });
    const session = connect(`http://127.0.0.1:${running.port}`);
    const send = async (type: string, signed: Buffer, sent: Buffer, ending = true): Promise<number> => {
      const lower = Object.entries(await signatureOf({ body: signed })).map(([k, v]) => [k.toLowerCase(), v]);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/receive',
        'content-type': type,
        ...Object.fromEntries(lower),
      });
      stream.on('error', () => undefined).resume();
      if (ending) stream.end(sent);
      else stream.write(sent);
      return new Promise((resolve) =>
        stream.on('response', (headers) => resolve(Number(headers[':status']))),
      );
    };
    try {
      const [none, large] = [Buffer.alloc(0), bytes(400_000)];
      for (const type of ['application/x', 'text/plain']) {
        expect(await send(type, BODY, BODY)).toBe(200);
        expect(await send(type, large, large)).toBe(200);
        expect(await send(type, large, flipped(large, 9))).toBe(401);
        expect(await send(type, none, BODY)).toBe(401);
        expect(await send(type, BODY, BODY, false)).toBe(408);
      }
      expect(await send('application/x', bytes(600_000), bytes(600_000))).toBe(413);
      expect(running.deliveries).toHaveLength(4);
      expect(running.deliveries[1]?.streamed?.sha256).toBe(sha256(large));
    } finally {
      session.destroy();
    }
  });

  it('has a gate without `app.use`, too', async () => {
    const adapter = new FastifyAdapter({ skipMiddie: true } as never) as unknown as AbstractHttpAdapter;
    running = await startInboundApp('Fastify', { adapter, gate: { protect: 'everything', exempt: [] } });
    const { port } = running;
    expect((await sendBytes({ port, path: '/open' })).status).toBe(401);
    expect((await sendSigned({ port, path: '/open', body: BODY, headers: JSON_TYPE })).status).toBe(200);
  });
});

describe('The way in of applications that have no HTTP', () => {
  const options = { appUuid: caller.appUuid, findPublicKey: () => undefined };
  const gate = { protect: 'decorated', exempt: new ExemptPaths([]) } as const;

  it('is not there, and does not mind', () => {
    const host = new HttpAdapterHost();
    new InboundAuthenticator(host, resolveSettings(options), new MAuthAuthenticator(options), gate);
    expect(() => (host.httpAdapter = null as never)).not.toThrow();
  });

  it('says so loudly when the HTTP adapter is one that it does not know', () => {
    const host = new HttpAdapterHost();
    const logger = new RecordingLogger();
    new InboundAuthenticator(
      host,
      resolveSettings({ ...options, logger }),
      new MAuthAuthenticator(options),
      gate,
    );
    host.httpAdapter = { getType: () => 'koa' } as never;
    expect(logger.lines).toEqual([
      { level: 'error', message: expect.stringContaining('HTTP adapter "koa" is not supported') },
    ]);
  });
});
