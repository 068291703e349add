import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import fastifyCompress from '@fastify/compress';
import compression from 'compression';
import express from 'express';
import fastify from 'fastify';
import {
  getMAuthIdentity,
  MAuthAuthenticator,
  mauthMiddleware,
  mauthPlugin,
  type MAuthGateOptions,
} from '../../lib/core.js';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { caller, optionsFor, readAll, service, Witness } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendBytes, sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

const LONG = 'Mediflex '.repeat(1000);
const stranger = createTestApp();

type Route = (request: IncomingMessage, response: ServerResponse) => void;

/** Called when the caller of `/stuck` has gone. */
let closed: () => void = () => undefined;

/** What handlers do with Node's response, whatever server calls them. */
const ROUTES: Readonly<Record<string, Route>> = {
  '/json': (request, response) => {
    response.setHeader('content-type', 'application/json');
    response.setHeader('etag', '"1"');
    if (request.headers['if-none-match'] === '"1"') response.statusCode = 304;
    response.end(JSON.stringify({ caller: getMAuthIdentity(request) ?? null }));
  },
  '/long': (_request, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(LONG);
  },
  '/exempt': (request, response) => ROUTES['/long']?.(request, response),
  '/stream': (_request, response) => {
    response.setHeader('content-type', 'text/plain');
    Readable.from(['a', 'b', LONG]).pipe(response);
  },
  '/file': (_request, response) => void createReadStream(__filename).pipe(response),
  '/chunks': (_request, response) => {
    response.write('zwölf', 'latin1');
    response.write(Buffer.from(' Boxer'), () => response.end('4a61', 'hex'));
  },
  '/head-at-once': (_request, response) =>
    void response.writeHead(203, { 'x-own': 'a', 'content-length': 4 }).end('four'),
  '/no-content': (_request, response) => void response.writeHead(204).end(),
  '/not-modified': (_request, response) => void response.writeHead(304).end(),
  '/broken': (_request, response) => void response.writeHead(500).end('{"error":"broken"}'),
  '/empty': (_request, response) => void response.end(),
  '/foreign': (_request, response) => {
    response.setHeader('MCC-Authentication', `MWSV2 ${stranger.appUuid}:AAAA;`);
    response.setHeader('X-MWS-Time', '1');
    response.end('of an upstream');
  },
  '/large': (_request, response) => void response.end(LONG.repeat(4)),
  '/large-stream': (_request, response) =>
    void Readable.from(Array.from({ length: 4 }, () => LONG)).pipe(response),
  '/events': (_request, response) =>
    void response.setHeader('content-type', 'text/event-stream').end('data: one\n\n'),
  '/flushed': (_request, response) => {
    response.flushHeaders();
    response.end('early head');
  },
  '/stuck': (_request, response) => {
    response.write(LONG);
    response.once('close', () => closed());
  },
};

type Gate = Partial<MAuthGateOptions>;
interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

const pathOf = (request: IncomingMessage) => (request.url ?? '').split('?')[0] ?? '';

/** The routes behind the gate, on servers without Nest. */
const SERVERS = {
  Express: (gate: MAuthGateOptions, compresses = false) => {
    const app = express();
    const middleware = mauthMiddleware(gate);
    app.use(middleware);
    if (compresses) app.use(compression({ threshold: 0 }));
    app.use(express.json());
    app.post('/echo', (request, response) => void response.json(request.body));
    app.get('/throws', () => {
      throw Object.assign(new Error('Not like this.'), { status: 418 });
    });
    for (const [path, route] of Object.entries(ROUTES)) app.all(path, route);
    return listen(app, () => middleware.close());
  },
  Fastify: async (gate: MAuthGateOptions, compresses = false) => {
    const app = fastify({ forceCloseConnections: true });
    await app.register(mauthPlugin, gate);
    if (compresses) await app.register(fastifyCompress, { threshold: 0 });
    app.post('/echo', async (request) => request.body);
    app.get('/throws', async () => {
      throw Object.assign(new Error('Not like this.'), { statusCode: 418 });
    });
    for (const path of ['/replied', '/exempt'])
      app.get(path, async (_request, reply) => reply.type('text/plain').send(LONG));
    for (const [path, route] of Object.entries(ROUTES).filter(([path]) => path !== '/exempt')) {
      app.all(path, (request, reply) => {
        reply.hijack();
        route(request.raw, reply.raw);
      });
    }
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
  },
  'node:http': (gate: MAuthGateOptions, compresses = false) => {
    const middleware = mauthMiddleware(gate);
    const compress = compression({ threshold: 0 }) as unknown as (...args: unknown[]) => void;
    const serve: RequestListener = (request, response) => {
      if (pathOf(request) === '/echo') return void request.pipe(response);
      if (pathOf(request) === '/throws') response.statusCode = 418;
      (ROUTES[pathOf(request)] ?? ((_, unknown) => void unknown.writeHead(404).end('nothing here')))(
        request,
        response,
      );
    };
    const listener: RequestListener = (request, response) =>
      middleware(request, response, () => {
        if (compresses) compress(request, response, () => serve(request, response));
        else serve(request, response);
      });
    return listen(listener, () => middleware.close());
  },
} satisfies Record<string, (gate: MAuthGateOptions, compresses?: boolean) => Promise<Listening>>;

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition() && waited < 5000; waited += 10) await sleep(10);
}

async function listen(listener: RequestListener, stop: () => void): Promise<Listening> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, close };
}

const authenticator = new MAuthAuthenticator({
  appUuid: caller.appUuid,
  logAttempts: false,
  logger: new Witness().logger,
  findPublicKey: (appUuid) => (appUuid === service.appUuid ? service.publicKey : undefined),
});

function verdict({ status, headers, body }: Pick<HttpAnswer, 'status' | 'headers' | 'body'>) {
  return authenticator.authenticateResponse({ status, headers, body });
}

const signedBy = (protocolVersion: 1 | 2) => ({
  authentic: true,
  appUuid: service.appUuid,
  protocolVersion,
});
const mauthHeaders = ({ headers }: Pick<HttpAnswer, 'headers'>) =>
  Object.keys(headers).filter((name) => /^(mcc|x-mws)-/.test(name));

describe.each(Object.keys(SERVERS) as (keyof typeof SERVERS)[])(
  'Signed responses of a gate on %s',
  (server) => {
    const witness = new Witness();
    const running: Listening[] = [];
    let port: number;
    let plainPort: number;

    async function start(gate: Gate, compresses?: boolean): Promise<number> {
      const listening = await SERVERS[server]({ ...optionsFor(witness), ...gate }, compresses);
      running.push(listening);
      return listening.port;
    }

    const unsignedReasons = () =>
      witness.logger.lines.flatMap(({ message }) => /goes out unsigned \((\w+)/.exec(message)?.[1] ?? []);

    beforeAll(async () => {
      port = await start({ responses: { sign: true, maxBytes: 20_000 } });
      plainPort = await start({});
    });
    beforeEach(() => witness.forget());
    afterAll(() => Promise.all(running.map((listening) => listening.close())));

    describe.each([1, 2] as const)('to requests of version %i', (version) => {
      const send = (path: string, method = 'GET', headers = {}, at = port) =>
        sendSigned({ port: at, method, path, headers }, `v${version}`);

      it.each([
        ['JSON', '/json', 'GET', 200],
        ['a long text', '/long', 'GET', 200],
        ['a stream', '/stream', 'GET', 200],
        ['a file', '/file', 'GET', 200],
        ['chunks in several encodings', '/chunks', 'GET', 200],
        ['a head that is written at once', '/head-at-once', 'GET', 203],
        ['204', '/no-content', 'GET', 204],
        ['304', '/not-modified', 'GET', 304],
        ['HEAD', '/json', 'HEAD', 200],
        ['HEAD of a stream', '/stream', 'HEAD', 200],
        ['nothing', '/empty', 'GET', 200],
        ['an error of a handler', '/broken', 'GET', 500],
        ['an unknown path', '/nowhere', 'GET', 404],
        ['MAuth headers of an upstream', '/foreign', 'GET', 200],
      ])('signs %s, and changes nothing else', async (_, path, method, status) => {
        const answer = await send(path, method);
        expect([answer.status, await verdict(answer)]).toEqual([status, signedBy(version)]);
        expect(mauthHeaders(answer)).toHaveLength(2);
        const plain = await send(path, method, {}, plainPort);
        const own = ({ headers }: HttpAnswer) =>
          Object.entries(headers).filter(([name]) => name !== 'date' && !/^(mcc|x-mws)-/.test(name));
        expect([answer.body, own(answer)]).toEqual([plain.body, own(plain)]);
        expect(mauthHeaders(plain)).toEqual(path === '/foreign' ? ['mcc-authentication', 'x-mws-time'] : []);
        expect(unsignedReasons()).toEqual([]);
      });

      it('signs what a handler throws, and what it makes of a body', async () => {
        const thrown = await send('/throws');
        expect([thrown.status, await verdict(thrown)]).toEqual([
          server === 'node:http' ? 404 : 418,
          signedBy(version),
        ]);
        const echo = await sendSigned(
          {
            port,
            path: '/echo',
            body: Buffer.from('{"a":1}'),
            headers: { 'content-type': 'application/json' },
          },
          `v${version}`,
        );
        expect([echo.status, echo.text, await verdict(echo)]).toEqual([200, '{"a":1}', signedBy(version)]);
      });

      it('covers status and body', async () => {
        const { status, headers, body } = await send('/long');
        const refused = { authentic: false, status: 401, code: 'signature_mismatch' };
        expect(await verdict({ status: 201, headers, body })).toEqual(refused);
        expect(await verdict({ status, headers, body: body.subarray(1) })).toEqual(refused);
      });
    });

    it('signs with V2 alone where the request used both', async () => {
      const answer = await sendSigned({ port, method: 'GET', path: '/json' }, 'v1,v2');
      expect([mauthHeaders(answer).sort(), await verdict(answer)]).toEqual([
        ['mcc-authentication', 'mcc-time'],
        signedBy(2),
      ]);
    });

    it.each([
      ['a body above the limit', '/large', 'response_too_large'],
      ['a stream above the limit', '/large-stream', 'response_too_large'],
      ['an event stream', '/events', 'event_stream'],
      ['a head that is flushed early', '/flushed', 'headers_flushed'],
    ])('lets %s out unsigned, with one log line', async (_, path, reason) => {
      const answer = await sendSigned({ port, method: 'GET', path });
      const plain = await sendSigned({ port: plainPort, method: 'GET', path });
      expect([answer.status, answer.text]).toEqual([200, plain.text]);
      expect([mauthHeaders(answer), unsignedReasons()]).toEqual([[], [reason]]);
    });

    it("signs none of the gate's own refusals, and nothing on exempt paths", async () => {
      const open = await start({ responses: { sign: true }, exempt: ['/json'] });
      const headers = await signatureOf({ method: 'GET', path: '/other' });
      const answers = [
        await sendBytes({ port: open, method: 'GET', path: '/long' }),
        await sendBytes({ port: open, method: 'GET', path: '/long', headers }),
        await sendBytes({ port: open, method: 'GET', path: '/json' }),
        await sendSigned({ port: open, method: 'GET', path: '/json' }),
      ];
      expect(answers.map((answer) => [answer.status, mauthHeaders(answer)])).toEqual([
        [401, []],
        [401, []],
        [200, []],
        [200, []],
      ]);
      expect(unsignedReasons()).toEqual([]);
    });

    it('lets go of what is held for a caller that goes away', async () => {
      const before = HeldBytesBudget.held;
      const connection = await RawConnection.open(port);
      const isClosed = new Promise<void>((resolve) => (closed = resolve));
      await connection.writeHead('GET /stuck', await signatureOf({ method: 'GET', path: '/stuck' }));
      await until(() => HeldBytesBudget.held > before);
      connection.destroy();
      await isClosed;
      expect(HeldBytesBudget.held).toBe(before);
    });

    it('signs compressed bytes as they leave', async () => {
      const compressing = await start({ responses: { sign: true } }, true);
      // @fastify/compress sees what goes through reply.send() only.
      const path = server === 'Fastify' ? '/replied' : '/long';
      const headers = { 'accept-encoding': 'gzip' };
      const answer = await sendSigned({ port: compressing, method: 'GET', path, headers });
      expect([answer.headers['content-encoding'], await verdict(answer)]).toEqual(['gzip', signedBy(2)]);
      const inflated = { ...answer, body: gunzipSync(answer.body) };
      expect(inflated.body.toString()).toBe(LONG);
      expect(await verdict(inflated)).toMatchObject({ authentic: false });
    });

    it('with `compress: false` compresses nothing that is signed, so that it can be verified after decoding', async () => {
      const compressing = await start(
        { responses: { sign: true, compress: false }, exempt: ['/exempt'] },
        true,
      );
      const path = server === 'Fastify' ? '/replied' : '/long';
      for (const encodings of ['gzip', 'br, gzip;q=0.8', '*', 'gzip, identity;q=0']) {
        const headers = { 'accept-encoding': encodings };
        const answer = await sendSigned({ port: compressing, method: 'GET', path, headers });
        expect([answer.headers['content-encoding'], answer.text, await verdict(answer)]).toEqual([
          undefined,
          LONG,
          signedBy(2),
        ]);
      }
      // What is not signed is compressed as ever.
      const headers = { 'accept-encoding': 'gzip' };
      const exempt = await sendBytes({ port: compressing, method: 'GET', path: '/exempt', headers });
      expect([exempt.headers['content-encoding'], gunzipSync(exempt.body).toString()]).toEqual([
        'gzip',
        LONG,
      ]);
    });

    it('does not start without a private key', async () => {
      await expect(
        (async () => start({ privateKey: undefined, responses: { sign: true } }))(),
      ).rejects.toThrow(/`privateKey`.*required for `responses\.sign`/);
    });
  },
);

describe('Signed responses of a gate', () => {
  const witness = new Witness();
  const running: Listening[] = [];
  afterEach(async () => {
    for (const { close } of running.splice(0)) await close();
    witness.forget();
  });

  const gate = () => mauthMiddleware({ ...optionsFor(witness), responses: { sign: true } });

  async function listenWith(listener: RequestListener, ...gates: ReturnType<typeof gate>[]): Promise<number> {
    const listening = await listen(listener, () => gates.forEach((each) => each.close()));
    running.push(listening);
    return listening.port;
  }

  it('are signed once, and without a complaint, behind two gates', async () => {
    const [first, second] = [gate(), gate()];
    const app = express()
      .use(first, second)
      .use((request, response) => ROUTES['/long']?.(request, response));
    const port = await listenWith(app, first, second);
    const answer = await sendSigned({ port, method: 'GET', path: '/long' });
    expect([answer.text, mauthHeaders(answer).length, await verdict(answer)]).toEqual([LONG, 2, signedBy(2)]);
    expect(witness.logger.lines).toEqual([]);
  });

  it('are not signed where compression stands in front of the gate, and the log says what to do', async () => {
    const only = gate();
    const app = express()
      .use(compression({ threshold: 0 }), only)
      .use((request, response) => ROUTES['/long']?.(request, response));
    const port = await listenWith(app, only);
    const headers = { 'accept-encoding': 'gzip' };
    const answer = await sendSigned({ port, method: 'GET', path: '/long', headers });
    expect([answer.headers['content-encoding'], mauthHeaders(answer)]).toEqual(['gzip', []]);
    expect(witness.logger.lines).toEqual([
      {
        level: 'error',
        message: expect.stringMatching(/responses cannot be signed.*compression.*after MAuth/),
      },
    ]);
  });

  it('are signed over HTTP/2', async () => {
    const only = gate();
    const server = createHttp2Server((request, response) =>
      only(request as never, response as never, () =>
        ROUTES[request.url]?.(request as never, response as never),
      ),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      for (const path of ['/json', '/stream', '/no-content', '/chunks', '/head-at-once']) {
        const stream = session.request({ ':path': path, ...(await signatureOf({ method: 'GET', path })) });
        const received = await new Promise<IncomingHttpHeaders>((resolve) => stream.on('response', resolve));
        const body = await readAll(stream);
        const { ':status': status, ...headers } = received as Record<string, string>;
        expect([path, await verdict({ status: Number(status), headers, body })]).toEqual([path, signedBy(2)]);
      }
    } finally {
      session.destroy();
      only.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('are signed when they are injected into Fastify without a server', async () => {
    const app = fastify();
    await app.register(mauthPlugin, { ...optionsFor(witness), responses: { sign: true } });
    app.get('/replied', async () => ({ studies: ['Mediflex'] }));
    try {
      const headers = await signatureOf({ method: 'GET', path: '/replied' });
      const injected = await app.inject({ method: 'GET', url: '/replied', headers });
      const { statusCode: status, rawPayload: body } = injected;
      expect(await verdict({ status, headers: injected.headers as IncomingHttpHeaders, body })).toEqual(
        signedBy(2),
      );
    } finally {
      await app.close();
    }
  });
});
