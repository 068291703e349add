import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import fastifyCompress from '@fastify/compress';
import {
  BadRequestException,
  Body,
  Controller,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  Post,
  Query,
  Req,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import compression from 'compression';
import express from 'express';
import { of } from 'rxjs';
import {
  MAuthAuthenticator,
  MAuthModule,
  MAuthSigner,
  Public,
  RequiresMAuth,
  SignResponse,
  type MAuthModuleExtras,
  type MAuthModuleOptions,
} from '../../lib/index.js';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { caller, readAll, service } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';
import { describeWithSuites } from '../support/suites.js';
import { createTestApp } from '../support/test-app.js';

const LONG = 'Mediflex '.repeat(1000);
const BINARY = Buffer.from([0, 255, 128, 10, 13, 0xc3, 0x28]);
const stranger = createTestApp();

/** A signature needs the time. */
const clock = { isBroken: false, now: () => (clock.isBroken ? Number.NaN : Date.now()) };

/** Called when the caller of a request that gets no end has gone. */
let closed: () => void = () => undefined;

/** Whose idle connections are closed, as it happens when it closes. */
let server: Server;

/** Node's response behind that of a framework. */
function nodeResponse(response: { raw?: ServerResponse }): ServerResponse {
  return response.raw ?? (response as unknown as ServerResponse);
}

@RequiresMAuth()
@Controller()
class AnsweringController {
  @Get('json') json() {
    return { studies: ['Mediflex', 'Ümlaut'] };
  }

  @Get('text') @Header('content-type', 'text/plain; charset=utf-8') text() {
    return 'Grüße';
  }

  @Get('buffer') @Header('content-type', 'application/octet-stream') buffer() {
    return new StreamableFile(BINARY);
  }

  @Get('stream') stream() {
    return new StreamableFile(Readable.from(['a', 'b', LONG]));
  }

  @Get('long') @Header('content-type', 'text/plain') long() {
    return LONG;
  }

  @Get('empty') empty() {
    return undefined;
  }

  @Get('no-content') @HttpCode(204) noContent() {
    return undefined;
  }

  @Post('echo') echo(@Body() body: unknown) {
    return body;
  }

  @Get('refused') refused() {
    throw new BadRequestException('Not like this.');
  }

  @Get('broken') broken() {
    throw new Error('Nobody expects this.');
  }

  @Get('cut-short') cutShort() {
    return new StreamableFile(
      Readable.from(
        (async function* () {
          yield 'half of ';
          await sleep(5);
          throw new Error('The source is gone.');
        })(),
      ),
    );
  }

  @Get('chunks') async chunks(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.setHeader('content-type', 'text/plain');
    response.write('zwölf', 'latin1');
    await new Promise((resolve) => response.write(Buffer.from(' Boxer'), resolve));
    response.write('4a61', 'hex');
    response.end('gd', 'utf8');
  }

  @Get('explicit-head') explicitHead(@Res() framework: object) {
    nodeResponse(framework)
      .writeHead(203, 'Second Hand', ['X-Own', 'a', 'X-Other', 'b', 'Content-Length', '4'])
      .end('four');
  }

  @Get('late-header') lateHeader(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.write('headers are gone: ');
    const sent = response.headersSent;
    let code: string | undefined;
    try {
      response.setHeader('x-late', '1');
    } catch (error) {
      ({ code } = error as NodeJS.ErrnoException);
    }
    response.end(`${sent} ${code}`);
    response.end();
  }

  @Get('foreign') foreign(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.setHeader('MCC-Authentication', `MWSV2 ${stranger.appUuid}:AAAA;`);
    response.setHeader('X-MWS-Time', '1');
    response.end('of an upstream');
  }

  @Get('clock-breaks') clockBreaks(@Res() framework: object) {
    clock.isBroken = true;
    this.foreign(framework);
  }

  @Get('flushed') flushed(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.flushHeaders();
    response.end('early head');
  }

  @Get('trailers') trailers(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.setHeader('trailer', 'x-sum');
    response.write('with a ');
    response.addTrailers({ 'x-sum': '1' });
    response.end('trailer');
  }

  @Get('early-hints') earlyHints(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.writeProcessing();
    response.end('after 102');
  }

  @Get('large') @Header('content-type', 'text/plain') large() {
    return LONG.repeat(4);
  }

  @Get('large-stream') largeStream() {
    return new StreamableFile(Readable.from(Array.from({ length: 4 }, () => LONG)));
  }

  @Sse('events') events() {
    return of({ data: 'one' });
  }

  @Get('while-closing') whileClosing(@Res() framework: object) {
    nodeResponse(framework).end('the last answer');
    server.closeIdleConnections();
  }

  @Get('renamed') renamed(@Req() request: { raw?: IncomingMessage }, @Res() framework: object) {
    (request.raw ?? (request as IncomingMessage)).method = 'HEAD';
    nodeResponse(framework).end('of a GET');
  }

  @Get('too-late') async tooLate(@Res() framework: object) {
    const response = nodeResponse(framework);
    await new Promise((resolve) => response.once('close', resolve));
    response.write(LONG);
    closed();
  }

  @Get('stuck') stuck(@Res() framework: object) {
    const response = nodeResponse(framework);
    response.write(LONG);
    response.once('close', () => {
      response.write(LONG);
      closed();
    });
  }
}

const refuses = { canActivate: () => Promise.reject(new ForbiddenException('Not today.')) };

@Controller()
class MarkedController {
  @SignResponse() @Public() @Get('terms') terms() {
    return 'The terms.';
  }

  @Public() @Get('plain') plain() {
    return 'Unsigned.';
  }

  @RequiresMAuth() @SignResponse() @Get('protected') protected() {
    return 'For callers.';
  }

  @SignResponse() @RequiresMAuth({ apps: [stranger.appUuid] }) @Get('others') others() {
    return 'For others.';
  }

  @RequiresMAuth() @UseGuards(refuses) @SignResponse() @Get('closed') closed() {
    return 'For nobody.';
  }
}

@SignResponse()
class SigningBase {
  @Public() @Get('inherited') inherited() {
    return 'of the base';
  }
}

@Controller('sub')
class InheritingController extends SigningBase {
  @Public() @Get('own') own() {
    return 'of the subclass';
  }
}

@RequiresMAuth()
@Controller()
class RubyController {
  @Get('ruby') ruby(@Query() query: { status: string; body: string }, @Res() framework: object) {
    const response = nodeResponse(framework);
    response.statusCode = Number(query.status);
    response.end(Buffer.from(query.body, 'base64'));
  }
}

interface RubyResponses {
  app_uuid: string;
  private_key_pem: string;
  cases: {
    version: 1 | 2;
    status: number;
    time: number;
    body_b64: string;
    headers: Record<string, string>;
  }[];
}

const authenticator = new MAuthAuthenticator({
  appUuid: caller.appUuid,
  logAttempts: false,
  logger: new RecordingLogger(),
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

function mauthHeaders({ headers }: HttpAnswer): string[] {
  return Object.keys(headers).filter((name) => /^(mcc|x-mws)-/.test(name));
}

describe.each(PLATFORMS)('Signed responses on %s', (platform, createAdapter) => {
  const logger = new RecordingLogger();
  const running: RunningApp[] = [];

  async function start(
    controllers: Type[],
    options: Partial<MAuthModuleOptions & MAuthModuleExtras>,
    prepare?: (app: INestApplication) => unknown,
  ): Promise<number> {
    const mauth = MAuthModule.forRoot({
      appUuid: service.appUuid,
      privateKey: service.privateKey,
      findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
      logger,
      logAttempts: false,
      ...options,
    });
    const app = await startApp(createAdapter, { imports: [mauth], controllers }, undefined, prepare);
    running.push(app);
    return Number(new URL(app.url).port);
  }

  /** A test of what the other platform does not have. */
  const onlyOn = (name: string, title: string, test: () => Promise<void>) => {
    if (name === platform) it(title, test);
  };

  const unsignedReasons = () =>
    logger.lines.flatMap(({ message }) => /goes out unsigned \((\w+)/.exec(message)?.[1] ?? []);

  beforeEach(() => logger.lines.splice(0));
  afterAll(() =>
    Promise.all(running.map(({ app, close }) => (app.getHttpServer().closeAllConnections(), close()))),
  );

  describe('with `responses.sign`', () => {
    let port: number;
    let plainPort: number;

    beforeAll(async () => {
      port = await start([AnsweringController], { responses: { sign: true, maxBytes: 20_000 } });
      plainPort = await start([AnsweringController], {});
    });

    describe.each([1, 2] as const)('to requests of version %i', (version) => {
      const get = (path: string, method = 'GET', headers = {}, at = port) =>
        sendSigned({ port: at, method, path, headers }, `v${version}`);

      it.each([
        ['JSON', '/json', 'GET', 200],
        ['text', '/text', 'GET', 200],
        ['a Buffer', '/buffer', 'GET', 200],
        ['a stream', '/stream', 'GET', 200],
        ['a long text', '/long', 'GET', 200],
        ['nothing', '/empty', 'GET', 200],
        ['204', '/no-content', 'GET', 204],
        ['HEAD', '/json', 'HEAD', 200],
        ['HEAD of a stream', '/stream', 'HEAD', 200],
        ['a refusal of a handler', '/refused', 'GET', 400],
        ['an error of a handler', '/broken', 'GET', 500],
        ['chunks in several encodings', '/chunks', 'GET', 200],
        ['a head that is written at once', '/explicit-head', 'GET', 203],
        ['a header that comes too late', '/late-header', 'GET', 200],
        ['MAuth headers of somebody else', '/foreign', 'GET', 200],
        ['an informational response before it', '/early-hints', 'GET', 200],
      ])('signs %s, and changes nothing else', async (_, path, method, status) => {
        const answer = await get(path, method);
        expect([answer.status, await verdict(answer)]).toEqual([status, signedBy(version)]);
        expect(mauthHeaders(answer)).toHaveLength(2);
        const plain = await get(path, method, {}, plainPort);
        const own = ({ headers }: HttpAnswer) =>
          Object.entries(headers).filter(([name]) => name !== 'date' && !/^(mcc|x-mws)-/.test(name));
        expect([answer.body, own(answer)]).toEqual([plain.body, own(plain)]);
        expect(unsignedReasons()).toEqual([]);
      });

      it('signs the answer to a request with a body', async () => {
        const body = Buffer.from('{"a":1}');
        const echo = await sendSigned(
          { port, path: '/echo', body, headers: { 'content-type': 'application/json' } },
          `v${version}`,
        );
        expect([echo.status, echo.text, await verdict(echo)]).toEqual([201, '{"a":1}', signedBy(version)]);
      });

      // Fastify has no ETag of its own.
      onlyOn('Express', 'signs what has not changed since (304)', async () => {
        const { headers } = await get('/json');
        const unchanged = await get('/json', 'GET', { 'if-none-match': headers.etag });
        expect([unchanged.status, unchanged.text, await verdict(unchanged)]).toEqual([
          304,
          '',
          signedBy(version),
        ]);
      });

      it('is refused once status, body, time or app were changed', async () => {
        const { status, headers, body } = await get('/json');
        const names =
          version === 2 ? ['mcc-authentication', 'mcc-time'] : ['x-mws-authentication', 'x-mws-time'];
        const [authentication, time] = names;
        const refused = { authentic: false, status: 401, code: 'signature_mismatch' };
        expect(await verdict({ status: 201, headers, body })).toEqual(refused);
        expect(await verdict({ status, headers, body: Buffer.concat([body, Buffer.from(' ')]) })).toEqual(
          refused,
        );
        const later = { ...headers, [time]: String(Number(headers[time]) + 1) };
        expect(await verdict({ status, headers: later, body })).toEqual(refused);
        const renamed = String(headers[authentication]).replace(service.appUuid, stranger.appUuid);
        expect(
          await verdict({ status, headers: { ...headers, [authentication]: renamed }, body }),
        ).toMatchObject({
          authentic: false,
          code: 'unknown_app',
        });
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
      ['trailers', '/trailers', 'trailers'],
    ])('lets %s out unsigned, with one log line', async (_, path, reason) => {
      const answer = await sendSigned({ port, method: 'GET', path });
      const plain = await sendSigned({ port: plainPort, method: 'GET', path });
      expect([answer.status, answer.text]).toEqual([200, plain.text]);
      expect([mauthHeaders(answer), unsignedReasons()]).toEqual([[], [reason]]);
    });

    it('signs no refusal of a request that is not authentic', async () => {
      const unsigned = await sendBytes({ port, method: 'GET', path: '/json' });
      const headers = await signatureOf({ method: 'GET', path: '/other' });
      const forged = await sendBytes({ port, method: 'GET', path: '/json', headers });
      const malformed = await sendSigned({
        port,
        path: '/echo',
        body: Buffer.from('{'),
        headers: { 'content-type': 'application/json' },
      });
      expect([unsigned, forged, malformed].map((answer) => [answer.status, mauthHeaders(answer)])).toEqual([
        [401, []],
        [401, []],
        [400, []],
      ]);
      expect(unsignedReasons()).toEqual([]);
    });

    it('never ends a body that its source has not ended', async () => {
      const cut = await sendSigned({ port, method: 'GET', path: '/cut-short' }).catch(
        (error: Error) => error,
      );
      const plain = await sendSigned({ port: plainPort, method: 'GET', path: '/cut-short' }).catch(
        (error: Error) => error,
      );
      expect(cut instanceof Error).toBe(plain instanceof Error);
      if (!(cut instanceof Error)) expect(cut.text).toBe((plain as HttpAnswer).text);
    });

    it('answers what is being signed while the server closes', async () => {
      const { app } = running.find(({ url }) => url.endsWith(`:${port}`)) as RunningApp;
      server = app.getHttpServer() as Server;
      const answer = await sendSigned({ port, method: 'GET', path: '/while-closing' });
      expect([answer.text, await verdict(answer)]).toEqual(['the last answer', signedBy(2)]);
    });

    it('goes by the method on the wire, whatever the application makes of it', async () => {
      const answer = await sendSigned({ port, method: 'GET', path: '/renamed' });
      expect([answer.text, await verdict(answer)]).toEqual(['of a GET', signedBy(2)]);
    });

    it('lets go of what is held for a caller that goes away', async () => {
      const before = HeldBytesBudget.held;
      const connection = await RawConnection.open(port);
      await connection.writeHead('GET /stuck', await signatureOf({ method: 'GET', path: '/stuck' }));
      await until(() => HeldBytesBudget.held > before);
      const isClosed = new Promise<void>((resolve) => (closed = resolve));
      connection.destroy();
      await isClosed;
      expect(HeldBytesBudget.held).toBe(before);
    });

    it('answers several requests on one connection in their order', async () => {
      const connection = await RawConnection.open(port);
      for (const path of ['/json', '/text']) {
        await connection.writeHead(`GET ${path}`, await signatureOf({ method: 'GET', path }));
      }
      const first = await connection.answer();
      const second = await connection.answer();
      connection.destroy();
      expect([first?.text, second?.text]).toEqual(['{"studies":["Mediflex","Ümlaut"]}', 'Grüße']);
      const { status = 0, headers = {}, text = '' } = second ?? {};
      expect(await authenticator.authenticateResponse({ status, headers, body: text })).toEqual(signedBy(2));
    });
  });

  it('signs what leaves when compression is between', async () => {
    const port = await start([AnsweringController], { responses: { sign: true } }, async (app) => {
      if (platform === 'Express') app.use(compression({ threshold: 0 }));
      else await (app as any).register(fastifyCompress, { threshold: 0 });
    });
    for (const path of ['/long', '/stream', '/json']) {
      const headers = { 'accept-encoding': 'gzip' };
      const answer = await sendSigned({ port, method: 'GET', path, headers });
      expect([path, answer.headers['content-encoding'], await verdict(answer)]).toEqual([
        path,
        'gzip',
        signedBy(2),
      ]);
      const plain = await sendSigned({ port, method: 'GET', path });
      expect(gunzipSync(answer.body)).toEqual(plain.body);
      expect(await verdict({ ...answer, body: plain.body })).toMatchObject({ authentic: false });
    }
  });

  it('with `compress: false` compresses nothing that is signed, and all the rest as ever', async () => {
    const prepare = async (app: INestApplication) => {
      if (platform === 'Express') app.use(compression({ threshold: 0 }));
      else await (app as any).register(fastifyCompress, { threshold: 0 });
    };
    const headers = { 'accept-encoding': 'gzip' };
    const port = await start(
      [AnsweringController, MarkedController],
      { responses: { sign: true, compress: false } },
      prepare,
    );
    for (const path of ['/long', '/stream', '/json', '/terms']) {
      const answer = await sendSigned({ port, method: 'GET', path, headers });
      expect([path, answer.headers['content-encoding'], await verdict(answer)]).toEqual([
        path,
        undefined,
        signedBy(2),
      ]);
    }
    const marked = await sendBytes({ port, method: 'GET', path: '/terms', headers });
    expect([marked.headers['content-encoding'], await verdict(marked)]).toEqual([undefined, signedBy(1)]);
    const plain = await sendBytes({ port, method: 'GET', path: '/plain', headers });
    expect([plain.headers['content-encoding'], mauthHeaders(plain)]).toEqual(['gzip', []]);
  });

  it('signs refusals of authentic requests, and what the gate lets through', async () => {
    const port = await start([AnsweringController, MarkedController], {
      responses: { sign: true },
      protect: 'everything',
    });
    for (const [path, status] of [
      ['/others', 403],
      ['/closed', 403],
      ['/nowhere', 404],
    ] as const) {
      const answer = await sendSigned({ port, method: 'GET', path });
      expect([answer.status, await verdict(answer)]).toEqual([status, signedBy(2)]);
    }
    const refused = await sendBytes({ port, method: 'GET', path: '/json' });
    expect([refused.status, mauthHeaders(refused)]).toEqual([401, []]);
  });

  describe('with @SignResponse()', () => {
    let port: number;

    beforeAll(async () => {
      port = await start([MarkedController, InheritingController, AnsweringController], {
        signVersions: 'v1,v2',
      });
    });

    it.each(['/terms', '/sub/inherited', '/sub/own'])(
      'signs %s for everybody, with `signVersions`',
      async (path) => {
        const answer = await sendBytes({ port, method: 'GET', path });
        expect([answer.status, mauthHeaders(answer).length, await verdict(answer)]).toEqual([
          200,
          4,
          signedBy(2),
        ]);
        const { 'mcc-authentication': _, ...v1 } = answer.headers;
        expect(await verdict({ ...answer, headers: v1 })).toEqual(signedBy(1));
      },
    );

    it('signs with the version of a request that is signed', async () => {
      for (const path of ['/terms', '/protected']) {
        const answer = await sendSigned({ port, method: 'GET', path }, 'v1');
        expect([mauthHeaders(answer).length, await verdict(answer)]).toEqual([2, signedBy(1)]);
      }
    });

    it('signs refusals of authentic requests at such a handler, but none of others', async () => {
      for (const path of ['/others', '/closed']) {
        const answer = await sendSigned({ port, method: 'GET', path });
        expect([answer.status, await verdict(answer)]).toEqual([403, signedBy(2)]);
      }
      for (const path of ['/protected', '/others']) {
        const answer = await sendBytes({ port, method: 'GET', path });
        expect([answer.status, mauthHeaders(answer)]).toEqual([401, []]);
      }
    });

    it('signs nothing else', async () => {
      const plain = await sendBytes({ port, method: 'GET', path: '/plain' });
      const json = await sendSigned({ port, method: 'GET', path: '/json' });
      expect([plain, json].map((answer) => [answer.status, mauthHeaders(answer)])).toEqual([
        [200, []],
        [200, []],
      ]);
    });
  });

  it('touches no response where none is to be signed', async () => {
    const touched: string[][] = [];
    const port = await start([AnsweringController], {}, (app) =>
      app.use((_: unknown, response: ServerResponse, next: () => void) => {
        touched.push(
          ['write', 'end', 'writeHead', 'setHeader'].filter((name) => Object.hasOwn(response, name)),
        );
        next();
      }),
    );
    await sendSigned({ port, method: 'GET', path: '/json' });
    expect(touched).toEqual([[]]);
  });

  it('sends an unsigned response, and says so, when the signature cannot be made', async () => {
    const port = await start([AnsweringController], { responses: { sign: true }, now: clock.now });
    clock.isBroken = false;
    const answer = await sendSigned({ port, method: 'GET', path: '/clock-breaks' });
    clock.isBroken = false;
    expect([answer.status, answer.text, mauthHeaders(answer)]).toEqual([200, 'of an upstream', []]);
    expect(unsignedReasons()).toEqual(['signing_failed']);
  });

  describeWithSuites('as Ruby signs them', 'vectors/responses-signed-by-ruby.json', (path) => {
    const file = readFileSync(path('vectors', 'responses-signed-by-ruby.json'), 'utf8');
    const vectors = JSON.parse(file) as RubyResponses;
    // Node sends no body with 204.
    const comparable = vectors.cases.filter(({ status, body_b64 }) => status !== 204 || body_b64 === '');

    it('gives the very headers that Ruby gives', async () => {
      expect(comparable).toHaveLength(21);
      const now = () => 1000 * vectors.cases[0].time;
      const port = await start([RubyController], {
        appUuid: vectors.app_uuid,
        privateKey: vectors.private_key_pem,
        responses: { sign: true },
        now,
      });
      for (const { version, status, body_b64, headers } of comparable) {
        const path = `/ruby?status=${status}&body=${encodeURIComponent(body_b64)}`;
        const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, now });
        const request = { method: 'GET', url: path };
        const signature = await signer.signRequest(request, { signVersions: `v${version}` });
        const answer = await sendBytes({ port, method: 'GET', path, headers: signature });
        expect([answer.status, answer.body.toString('base64')]).toEqual([status, body_b64]);
        for (const [name, value] of Object.entries(headers))
          expect(answer.headers[name.toLowerCase()]).toBe(value);
      }
    });
  });

  onlyOn('Fastify', 'signs what is injected without a server', async () => {
    const port = await start([AnsweringController], { responses: { sign: true } });
    const { app } = running.find(({ url }) => url.endsWith(`:${port}`)) as RunningApp;
    const headers = await signatureOf({ method: 'GET', path: '/stream' });
    const injected = await app
      .getHttpAdapter()
      .getInstance()
      .inject({ method: 'GET', url: '/stream', headers });
    const { statusCode: status, rawPayload: body } = injected;
    expect(await verdict({ status, headers: injected.headers, body })).toEqual(signedBy(2));
  });

  onlyOn('Fastify', 'signs what leaves over HTTP/2', async () => {
    const mauth = MAuthModule.forRoot({
      appUuid: service.appUuid,
      privateKey: service.privateKey,
      findPublicKey: () => caller.publicKey,
      responses: { sign: true },
      logger,
    });
    const adapter = () => new FastifyAdapter({ http2: true } as never);
    const app = await startApp(adapter, { imports: [mauth], controllers: [AnsweringController] });
    const session = connect(app.url);
    try {
      for (const path of ['/json', '/stream', '/no-content', '/chunks', '/explicit-head']) {
        const headers = await signatureOf({ method: 'GET', path });
        const stream = session.request({ ':path': path, ...headers });
        const received = await new Promise<IncomingHttpHeaders>((resolve) => stream.on('response', resolve));
        const body = await readAll(stream);
        const { ':status': status = 0, ...fields } = received as Record<string, string> & {
          ':status'?: number;
        };
        expect([path, await verdict({ status: Number(status), headers: fields, body })]).toEqual([
          path,
          signedBy(2),
        ]);
      }
    } finally {
      session.destroy();
      await app.close();
    }
  });

  onlyOn('Fastify', 'holds nothing for a caller that has gone away over HTTP/2', async () => {
    const mauth = MAuthModule.forRoot({
      appUuid: service.appUuid,
      privateKey: service.privateKey,
      findPublicKey: () => caller.publicKey,
      responses: { sign: true },
      logger,
    });
    const adapter = () => new FastifyAdapter({ http2: true } as never);
    const app = await startApp(adapter, { imports: [mauth], controllers: [AnsweringController] });
    const session = connect(app.url);
    try {
      const path = '/too-late';
      const before = HeldBytesBudget.held;
      const isClosed = new Promise<void>((resolve) => (closed = resolve));
      const stream = session.request({ ':path': path, ...(await signatureOf({ method: 'GET', path })) });
      stream.on('error', () => undefined);
      setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), 50);
      await isClosed;
      expect(HeldBytesBudget.held).toBe(before);
    } finally {
      session.destroy();
      await app.close();
    }
  });

  /** An application around an Express instance that it did not make itself. */
  async function startAround(instance: express.Express): Promise<number> {
    const mauth = MAuthModule.forRoot({
      appUuid: service.appUuid,
      privateKey: service.privateKey,
      findPublicKey: () => caller.publicKey,
      responses: { sign: true },
      logger,
    });
    const adapter = () => new ExpressAdapter(instance);
    const app = await startApp(adapter, { imports: [mauth], controllers: [AnsweringController] });
    running.push(app);
    return Number(new URL(app.url).port);
  }

  onlyOn(
    'Express',
    'signs what leaves when the instance compressed before the application came',
    async () => {
      const instance = express();
      instance.use(compression({ threshold: 0 }));
      const port = await startAround(instance);
      const headers = { 'accept-encoding': 'gzip' };
      const answer = await sendSigned({ port, method: 'GET', path: '/json', headers });
      expect([answer.headers['content-encoding'], await verdict(answer)]).toEqual(['gzip', signedBy(2)]);
    },
  );

  onlyOn('Express', 'signs nothing that something in front of it changes, and says so', async () => {
    const instance = express();
    await startAround(instance);
    const front = express();
    front.use(compression({ threshold: 0 }), instance);
    const server = front.listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const answer = await sendSigned({ port, method: 'GET', path: '/json' });
      expect([answer.status, mauthHeaders(answer)]).toEqual([200, []]);
      expect(logger.lines.map(({ message }) => message)).toContainEqual(
        expect.stringContaining('responses cannot be signed'),
      );
    } finally {
      server.close();
    }
  });

  it('does not start without a private key', async () => {
    const findPublicKey = () => caller.publicKey;
    await expect(start([MarkedController], { privateKey: undefined, findPublicKey })).rejects.toThrow(
      /@SignResponse\(\), but no private key.*`privateKey`/,
    );
    await expect(
      start([AnsweringController], { privateKey: undefined, findPublicKey, responses: { sign: true } }),
    ).rejects.toThrow(/`privateKey`.*required for `responses\.sign`/);
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition() && waited < 5000; waited += 10) await sleep(10);
}
