import { HttpService } from '@nestjs/axios';
import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { AsyncResource } from 'node:async_hooks';
import { Agent } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { Agent as TlsAgent, createServer as createTlsServer } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { firstValueFrom } from 'rxjs';
import * as undici from 'undici';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { MAuthAxiosInterceptor, MAuthError, MAuthSigner, signedFetch } from '../../lib/index.js';
import { createMAuthHttpService } from '../../lib/outbound/axios/mauth-http.service.js';
import { LOOPBACK_CERTIFICATE } from '../support/loopback-certificate.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import { defaultExceptionHandlers, PRINTINGS, type ExceptionHandlers, type Printing } from './printings.js';
import { answerWith, expectAuthentic, RecordingServer, redirectTo, type Answer } from './recording-server.js';

const own = createTestApp();
const answerer = createTestApp();
const server = new RecordingServer(own);
const other = new RecordingServer(own);
const responseSigner = new MAuthSigner({
  appUuid: answerer.appUuid,
  privateKey: answerer.privateKey,
  signVersions: 'v1,v2',
});
const authenticator = new MAuthAuthenticator({
  appUuid: own.appUuid,
  logger: new RecordingLogger(),
  findPublicKey: (appUuid) => (appUuid === answerer.appUuid ? answerer.publicKey : undefined),
});

/** What no print may hold: every signature that was made, in whatever words. */
const signatures: string[] = [];
function remembered(headers: Record<string, string>): Record<string, string> {
  for (const value of Object.values(headers)) {
    const signature = /:([^;]{20,})/.exec(value)?.[1];
    if (signature) signatures.push(signature);
  }
  return headers;
}
let signed = 0;
const realSigner = new MAuthSigner({
  appUuid: own.appUuid,
  privateKey: own.privateKey,
  signVersions: 'v1,v2',
  // Within one second two signatures of one request would be the same.
  now: () => Date.now() + 1000 * (signed++ % 200),
});
const signer: Pick<MAuthSigner, 'signRequest'> = {
  signRequest: async (request) => remembered(await realSigner.signRequest(request)),
};

const BODY = 'BODY-THAT-IS-SECRET';
const QUERY = 'QUERY-THAT-IS-SECRET';
const agent = new Agent({ keepAlive: true });
const dispatcher = new undici.Agent();
const { fetch: undiciFetch, Request: UndiciRequest, Response: UndiciResponse } = undici;
const UNDICI = {
  adapter: 'fetch',
  env: { fetch: undiciFetch, Request: UndiciRequest, Response: UndiciResponse },
  fetchOptions: { dispatcher },
} as AxiosRequestConfig;
let handlers: ExceptionHandlers;
let refusing: string;
let waiting: Promise<unknown>[] = [];
const given = new AbortController();

beforeAll(async () => {
  await Promise.all([server.start(), other.start()]);
  // A connection that is used again the moment it is given up would make a failure of its own.
  for (const one of [server, other]) one.server.keepAliveTimeout = 0;
  handlers = await defaultExceptionHandlers();
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  refusing = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((resolve) => closed.close(resolve));
  // Requests that are under way all the while, over the agents that the others use, too.
  server.answer(...Array.from({ length: 3 }, () => () => undefined));
  waiting = [{ httpAgent: agent }, UNDICI, {}].map((config) =>
    attached({ signal: given.signal, ...config } as AxiosRequestConfig)
      .post('/waiting', BODY)
      .catch((error: unknown) => error),
  );
  while (server.requests.length < waiting.length) await new Promise((resolve) => setTimeout(resolve, 5));
});
afterAll(async () => {
  given.abort();
  await Promise.all(waiting);
  agent.destroy();
  await dispatcher.destroy();
  await handlers.close();
  await Promise.all([server.stop(), other.stop()]);
});
beforeEach(() => {
  server.reset();
  other.reset();
});

async function failureOf(request: Promise<unknown>): Promise<any> {
  return request.then(
    () => Promise.reject(new Error('The request should have failed.')),
    (error: unknown) => error,
  );
}

const WAYS = Object.entries<Printing>({
  ...PRINTINGS,
  "Nest's exception handler": (value) => (value instanceof Error ? handlers.print(value) : ''),
});

function tracesIn(text: string): string[] {
  const plain = text.replace(/' \+\s+'/g, '');
  const found = signatures.filter((signature) => plain.includes(signature));
  return [
    ...found.map((signature) => signature.slice(0, 12)),
    ...(plain.match(/MWS(V2)? [0-9a-f]{8}-/gi) ?? []),
  ];
}

/** Fails at the first way of printing in which a signature comes to light. */
async function expectNoSignature(value: unknown): Promise<void> {
  for (const [way, print] of WAYS) {
    expect([way, tracesIn(await print(value)).slice(0, 3)]).toEqual([way, []]);
  }
}

async function expectNothingSecret(error: Error): Promise<void> {
  for (const [way, print] of WAYS) {
    const text = await print(error);
    expect([way, [BODY, QUERY].filter((secret) => text.includes(secret))]).toEqual([way, []]);
  }
}

const signedAnswer =
  (status: number, body: string, changed = body): Answer =>
  (response) =>
    void responseSigner.signResponse({ status, body: Buffer.from(body) }).then((headers) => {
      response.writeHead(status, remembered(headers)).end(changed);
    });

const breaksOff: Answer = (response) => {
  response.writeHead(200, { 'content-length': '100' });
  response.write('begun', () => response.destroy());
};

const requestConfig: AxiosRequestConfig = { params: { token: QUERY }, httpAgent: agent };

function attached(config: AxiosRequestConfig = {}): AxiosInstance {
  const instance = axios.create({ baseURL: server.origin, ...config });
  MAuthAxiosInterceptor.attach(instance, signer, { authenticator });
  return instance;
}

/** The same through Nest's service. */
function service(config: AxiosRequestConfig = {}): Pick<AxiosInstance, 'request'> {
  const options = { baseURL: server.origin, ...config };
  const http = createMAuthHttpService({ HttpService }, signer, options, authenticator);
  return {
    request: ((one: AxiosRequestConfig) =>
      firstValueFrom(http.request(one as never))) as AxiosInstance['request'],
  };
}

type Sending = (config?: AxiosRequestConfig) => Promise<any>;
interface Failure {
  readonly answers?: Answer[];
  readonly config?: () => AxiosRequestConfig & { mauth?: object };
  readonly expected: object;
  /** Sends and fails otherwise than by `config`. */
  readonly run?: (send: Sending) => Promise<unknown>;
}

const FAILURES: Record<string, Failure> = {
  'a status of 404': {
    answers: [answerWith(404, { 'content-type': 'application/json' }, '{"missing":true}')],
    expected: { status: 404, code: 'ERR_BAD_REQUEST', response: { status: 404, data: { missing: true } } },
  },
  'a status of 500': {
    answers: [answerWith(500, {}, 'broken')],
    expected: { status: 500, code: 'ERR_BAD_RESPONSE', response: { data: 'broken' } },
  },
  'a status of 403, in a response that is signed': {
    answers: [signedAnswer(403, 'forbidden')],
    expected: { status: 403, response: { data: 'forbidden' } },
  },
  'a status of 403, in a response that is authenticated': {
    answers: [signedAnswer(403, 'forbidden')],
    config: () => ({ mauth: { expectAppUuid: answerer.appUuid } }),
    expected: { status: 403, response: { data: 'forbidden' } },
  },
  'a status of 500 with a streamed body': {
    answers: [answerWith(500, {}, 'broken')],
    config: () => ({ responseType: 'stream' }),
    expected: { status: 500 },
  },
  'a status of 500 with a streamed body that is compressed': {
    answers: [
      (response) => void response.writeHead(500, { 'content-encoding': 'gzip' }).end(gzipSync('broken')),
    ],
    config: () => ({ responseType: 'stream' }),
    expected: { status: 500 },
  },
  'a service that refuses connections': {
    config: () => ({ baseURL: refusing }),
    expected: { isAxiosError: true },
  },
  'a time-out': {
    answers: [() => undefined],
    config: () => ({ timeout: 150 }),
    expected: { isAxiosError: true },
  },
  'an abort': {
    expected: { code: 'ERR_CANCELED' },
    run: async (send) => {
      const controller = new AbortController();
      server.answer(() => controller.abort());
      return send({ signal: controller.signal });
    },
  },
  'an abort before anything is sent': {
    config: () => ({ signal: AbortSignal.abort() }),
    expected: { code: 'ERR_CANCELED' },
  },
  'a cancel token': {
    expected: { code: 'ERR_CANCELED', message: 'enough' },
    run: async (send) => {
      const source = axios.CancelToken.source();
      server.answer(() => source.cancel('enough'));
      return send({ cancelToken: source.token });
    },
  },
  'a connection that breaks': {
    answers: [(response) => response.destroy()],
    expected: { isAxiosError: true },
  },
  'a body that breaks off': { answers: [breaksOff], expected: { isAxiosError: true } },
  'an answer that is not HTTP': {
    answers: [(response) => void response.socket?.end('HTTP/1.1 2x0 ?\r\nX: MWS\r\n\r\n')],
    expected: { isAxiosError: true },
  },
  'too many redirects': {
    answers: Array.from({ length: 4 }, () => redirectTo(307, '/again')),
    config: () => ({ maxRedirects: 3 }),
    expected: { code: 'ERR_FR_TOO_MANY_REDIRECTS' },
  },
  'a redirect that leads nowhere': {
    answers: [redirectTo(307, 'http://[')],
    expected: { code: 'ERR_FR_REDIRECTION_FAILURE' },
  },
  'a redirect within the origin that ends in 500': {
    answers: [redirectTo(307, '/to'), answerWith(500)],
    expected: { status: 500 },
  },
  'a redirect that is not followed': {
    answers: [redirectTo(307, '/to')],
    config: () => ({ maxRedirects: 0 }),
    expected: { status: 307 },
  },
  'a redirect to another origin that ends in 500': {
    expected: { status: 500 },
    run: async (send) => {
      server.answer(redirectTo(307, `${other.origin}/to`));
      other.answer(answerWith(500));
      return send();
    },
  },
  'a body above `maxContentLength`': {
    answers: [answerWith(200, {}, 'more than ten bytes')],
    config: () => ({ maxContentLength: 10 }),
    expected: { code: 'ERR_BAD_RESPONSE' },
  },
  'no JSON where there should be some': {
    answers: [answerWith(200, {}, '{')],
    config: () => ({ responseType: 'json', transitional: { silentJSONParsing: false } }),
    expected: { isAxiosError: true, response: { status: 200 } },
  },
  'a transform of the response that fails': {
    config: () => ({
      transformResponse: () => {
        throw new Error('not so');
      },
    }),
    expected: { message: 'not so' },
  },
  'a response whose signature does not match': {
    answers: [signedAnswer(200, 'signed', 'changed')],
    config: () => ({ mauth: { expectAppUuid: answerer.appUuid } }),
    expected: { name: 'MAuthInauthenticError', code: 'signature_mismatch' },
  },
  'a response that is not signed': {
    answers: [answerWith(200, {}, BODY)],
    config: () => ({ mauth: { authenticateResponse: true } }),
    expected: { name: 'MAuthInauthenticError' },
  },
  'a response that breaks off before it could be authenticated': {
    answers: [breaksOff],
    config: () => ({ mauth: { authenticateResponse: true } }),
    expected: {},
  },
  'a body that cannot be signed': {
    config: () => ({ data: Symbol(BODY), transformRequest: [(data: unknown) => data] }),
    expected: { name: 'MAuthUnableToSignError', code: 'body_unsupported' },
  },
  'a stream that fails': {
    config: () => {
      const failure = Object.assign(new Error('disk failure'), { chunk: BODY, code: 'EIO' });
      return {
        data: new Readable({
          read() {
            this.destroy(failure);
          },
        }),
      };
    },
    expected: { name: 'MAuthUnableToSignError', code: 'body_unreadable', cause: { code: 'EIO' } },
  },
  'a URL that is none': {
    config: () => ({ baseURL: undefined, url: `http://[?token=${QUERY}` }),
    expected: { name: 'MAuthUnableToSignError', code: 'malformed_url' },
  },
  'parameters that cannot be written': {
    config: () => ({
      paramsSerializer: ({ token }) => {
        throw new Error(`no text for ${token}`);
      },
    }),
    expected: { name: 'MAuthUnableToSignError', code: 'malformed_url' },
  },
  'an origin that is not signed': {
    answers: [answerWith(500)],
    expected: { status: 500 },
    run: async () => {
      const instance = axios.create({ ...requestConfig, baseURL: server.origin });
      MAuthAxiosInterceptor.attach(instance, signer, { signedOrigins: [other.origin] });
      return instance.post('/', Readable.from([BODY]));
    },
  },
  'MAuth headers that the caller has left there': {
    answers: [answerWith(500)],
    config: () => ({ headers: { 'MCC-Authentication': `MWSV2 ${own.appUuid}:c3RhbGU=;` } }),
    expected: { status: 500 },
  },
};

const ADAPTERS: Record<string, AxiosRequestConfig> = {
  http: { adapter: 'http' },
  fetch: { adapter: 'fetch' },
  "fetch, with undici's dispatcher": UNDICI,
  function: { adapter: (config) => axios.getAdapter('http')(config) },
  'function that fails with what it was given': {
    adapter: async (config) => {
      try {
        return await axios.getAdapter('http')(config);
      } catch (cause) {
        const { headers } = config;
        const seen = { headers: { ...headers }, list: [String(headers.get('mcc-authentication'))] };
        throw Object.assign(cause as Error, { given: config, seen, text: JSON.stringify(headers) });
      }
    },
  },
};

/**
 * Jest keeps its state in an AsyncLocalStorage, and Node 20 prints the store of a promise: each print of a cancel token
 * would hold megabytes about the tests. Requests that start here have no store.
 */
const outsideOfJest = new AsyncResource('requests');

async function expectCleanFailure(
  client: Pick<AxiosInstance, 'request'>,
  { answers = [], expected, config, run = (send) => send(config?.()) }: Failure,
): Promise<void> {
  server.answer(...answers);
  const error = await failureOf(
    outsideOfJest.runInAsyncScope(() =>
      run((one) => client.request({ method: 'post', url: '/', data: BODY, ...requestConfig, ...one })),
    ),
  );
  expect(error).toMatchObject(expected);
  await expectNoSignature(error);
  if (error instanceof MAuthError) await expectNothingSecret(error);
}

describe('Errors of MAuthHttpService', () => {
  it.each(Object.entries(FAILURES))('show no signature: %s', (_name, failure) =>
    expectCleanFailure(service(), failure),
  );
});

describe.each(Object.entries(ADAPTERS))('Errors of the adapter %s', (_adapter, adapter) => {
  it.each(Object.entries(FAILURES))('show no signature: %s', (_name, failure) =>
    expectCleanFailure(attached(adapter), failure),
  );

  it('of a streamed body, which come later, show none either', async () => {
    const send = (config: AxiosRequestConfig) =>
      attached(adapter).request({ url: '/', responseType: 'stream', ...requestConfig, ...config });
    const read = async (stream: Readable | ReadableStream) => {
      for await (const _chunk of stream as Readable);
    };
    const controller = new AbortController();
    const begun: Answer = (response) => void response.writeHead(200).write('begun');
    const cases: [Answer, AxiosRequestConfig, () => void][] = [
      [breaksOff, {}, () => undefined],
      [answerWith(200, {}, 'x'.repeat(100_000)), { maxContentLength: 10 }, () => undefined],
      [begun, { signal: controller.signal }, () => controller.abort()],
    ];
    for (const [answer, config, then] of cases) {
      server.answer(answer);
      const error = await failureOf(
        send(config).then(({ data }) => {
          setImmediate(then);
          return read(data);
        }),
      );
      expect(error).toHaveProperty('message');
      await expectNoSignature(error);
    }
  });

  it('keep what retries need: the config is sent again, signed afresh, over the same agent', async () => {
    const instance = attached(adapter);
    server.answer(answerWith(503), answerWith(503));
    let error = await failureOf(instance.post('/again?x=1', { a: 1 }, requestConfig));
    error = await failureOf(instance.request(error.config));
    const before = agent.listenerCount('free');
    expect((await axios.create().request(error.config)).status).toBe(200);
    expect(agent.listenerCount('free')).toBe(before);
    expect(server.requests).toHaveLength(3);
    expect(new Set(server.requests.map(({ headers }) => headers['mcc-authentication'])).size).toBe(3);
    for (const request of server.requests) {
      expect(request.target).toBe(`/again?x=1&token=${QUERY}`);
      expectAuthentic(request, own);
    }
  });
});

describe.each(Object.entries(ADAPTERS))('Responses of the adapter %s', (_adapter, adapter) => {
  it.each([undefined, 'arraybuffer', 'stream'] as const)(
    'show no signature of the request, with the response type %s',
    async (responseType) => {
      server.answer(redirectTo(307, '/to?x=1'));
      const response = await attached(adapter).post('/from', BODY, { ...requestConfig, responseType });
      await expectNoSignature(response);
      expect(response).toMatchObject({ status: 200, config: { url: '/from', data: BODY } });
      expect(response.request).toMatchObject({ method: 'POST', path: '/to?x=1', host: '127.0.0.1' });
      const text = await new Response(
        responseType === 'stream' ? (Readable.from(response.data) as never) : response.data,
      ).text();
      expect(text).toBe('received');
    },
  );
});

describe('Over TLS and over HTTP/2', () => {
  const sessions = new Set<{ destroy(): void }>();
  const httpsAgent = new TlsAgent({ keepAlive: true, rejectUnauthorized: false });
  const overTls = new RecordingServer(own, (listener) => createTlsServer(LOOPBACK_CERTIFICATE, listener));
  const overHttp2 = new RecordingServer(own, (listener) => {
    const http2 = createHttp2Server((request, response) => listener(request as never, response as never));
    http2.on('session', (session) => sessions.add(session));
    return Object.assign(http2, {
      closeAllConnections: () => sessions.forEach((session) => session.destroy()),
    }) as never;
  });

  beforeAll(() => Promise.all([overTls.start(), overHttp2.start()]));
  afterAll(() => {
    httpsAgent.destroy();
    return Promise.all([overTls.stop(), overHttp2.stop()]);
  });

  const clients: [string, RecordingServer, () => AxiosRequestConfig][] = [
    ['TLS', overTls, () => ({ baseURL: `https://127.0.0.1:${overTls.port}`, httpsAgent })],
    ['HTTP/2', overHttp2, () => ({ baseURL: overHttp2.origin, httpVersion: 2 }) as AxiosRequestConfig],
  ];

  it.each(clients)('%s: errors and responses show no signature', async (_name, peer, config) => {
    for (const responseType of ['text', 'stream'] as const) {
      const waiting = new AbortController();
      peer.answer(() => undefined, answerWith(404, {}, 'missing'));
      const parallel = failureOf(attached(config()).get('/waiting', { signal: waiting.signal }));
      while (peer.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const error = await failureOf(attached({ responseType, ...config() }).post('/x', BODY));
      expect(error).toMatchObject({ status: 404, request: { method: 'POST', path: '/x' } });
      await expectNoSignature(error);
      const response = await attached({ responseType, ...config() }).get('/y');
      await expectNoSignature(response);
      const body = responseType === 'stream' ? (await response.data.toArray()).join('') : response.data;
      expect(body).toBe('received');
      waiting.abort();
      await expectNoSignature(await parallel);
      peer.reset();
    }
  });

  it('a certificate that is not trusted', async () => {
    const error = await failureOf(attached().get(`https://127.0.0.1:${overTls.port}/x`));
    expect(error).toMatchObject({
      isAxiosError: true,
      request: { method: 'GET', path: '/x', protocol: 'https:' },
    });
    await expectNoSignature(error);
  });
});

describe('What stands in the place of the request', () => {
  it('is a description of it', async () => {
    server.answer(answerWith(404));
    const error = await failureOf(attached().get('/studies?page=1'));
    expect({ ...error.request }).toEqual({
      method: 'GET',
      url: `${server.origin}/studies?page=1`,
      protocol: 'http:',
      host: '127.0.0.1',
      path: '/studies?page=1',
      res: { statusCode: 404, responseUrl: `${server.origin}/studies?page=1` },
    });
    expect(error.response.request).toBe(error.request);
  });

  it('is nothing where there was no request', async () => {
    const error = await failureOf(attached({ signal: AbortSignal.abort() }).get('/'));
    expect(error.request).toBeUndefined();
  });

  it('is what an adapter of its own has put there, if that is mere data', async () => {
    const request = { responseURL: 'http://mocked/' };
    const adapter: AxiosRequestConfig['adapter'] = async (config) => ({
      data: 'mocked',
      status: 200,
      statusText: 'OK',
      headers: {},
      config,
      request,
    });
    expect((await attached({ adapter }).get('/')).request).toBe(request);
  });
});

describe('The agent in the config of an error', () => {
  it('still works for whoever takes it from there', async () => {
    server.answer(answerWith(500));
    const error = await failureOf(attached({ httpAgent: agent }).get('/'));
    const { httpAgent } = error.config;
    expect(httpAgent).toBeInstanceOf(Agent);
    expect(httpAgent.keepAlive).toBe(true);
    expect((await axios.get(`${server.origin}/plain`, { httpAgent })).status).toBe(200);
  });

  it('is the real one again for interceptors and adapters of a request that is repeated', async () => {
    const seen: unknown[] = [];
    const instance = attached({ httpAgent: agent });
    instance.interceptors.request.use((config) => {
      seen.push(config.httpAgent);
      return config;
    });
    server.answer(answerWith(500));
    const error = await failureOf(instance.get('/'));
    await instance.request({
      ...error.config,
      adapter: (config: any) => {
        seen.push(config.httpAgent);
        return axios.getAdapter('http')(config);
      },
    });
    expect(seen).toHaveLength(3);
    for (const one of seen) expect(one).toBe(agent);
  });
});

describe('A streamed response', () => {
  const open = async (config: AxiosRequestConfig = {}) =>
    (await attached({ responseType: 'stream', ...config }).get('/')).data as Readable;

  it('has all bytes, under back pressure', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefghij');
    server.answer((response) => void response.end(body));
    const chunks: Buffer[] = [];
    const through = new PassThrough({ highWaterMark: 1000 });
    (await open()).pipe(through);
    for await (const chunk of through) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
  });

  it('leaves its connection to the next request once it has been read', async () => {
    const httpAgent = new Agent({ keepAlive: true });
    for await (const _chunk of await open({ httpAgent }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(Object.values(httpAgent.freeSockets).flat()).toHaveLength(1);
    httpAgent.destroy();
  });

  it('closes its connection when it is destroyed', async () => {
    const closed = new Promise((resolve) =>
      server.answer((response) => {
        response.writeHead(200).write('begun');
        response.on('close', resolve);
      }),
    );
    (await open()).destroy();
    await closed;
  });

  it('that nobody reads may break off without ending the process', async () => {
    let response: { destroy(): void } | undefined;
    server.answer((one) => {
      response = one;
      one.writeHead(200).write('begun');
    });
    const stream = await open();
    const closed = new Promise((resolve) => stream.on('close', resolve));
    response?.destroy();
    await closed;
  });
});

describe('Errors of signedFetch', () => {
  type Case = [string, object, () => Promise<unknown>];
  const sending = signedFetch(fetch, signer);
  const post = (path: string, init: RequestInit = {}) =>
    sending(`${server.origin}${path}?token=${QUERY}`, { method: 'POST', body: BODY, ...init });
  const failingFetch = (error: (input: unknown, init: RequestInit) => object) => {
    const failing = async (input: unknown, init: RequestInit) => {
      throw error(input, init) as Error;
    };
    return signedFetch(failing as never, signer)(`${server.origin}/?token=${QUERY}`);
  };

  it.each<Case>([
    ['refused', { message: 'fetch failed' }, () => sending(`${refusing}/`, { method: 'POST', body: BODY })],
    [
      'broken',
      { message: 'fetch failed' },
      () => {
        server.answer((response) => response.destroy());
        return post('/');
      },
    ],
    [
      'aborted',
      { name: 'AbortError' },
      () => {
        const controller = new AbortController();
        server.answer(() => controller.abort());
        return post('/', { signal: controller.signal });
      },
    ],
    [
      'timed out',
      { name: 'TimeoutError' },
      () => {
        server.answer(() => undefined);
        return post('/', { signal: AbortSignal.timeout(150) });
      },
    ],
    [
      'redirected in circles',
      { message: 'fetch failed' },
      () => {
        server.answer(...Array.from({ length: 21 }, () => redirectTo(307, '/again')));
        return post('/');
      },
    ],
    ['unable to sign', { code: 'malformed_method' }, () => post('/', { method: 'patch' })],
    [
      'unable to read',
      { code: 'body_unreadable' },
      () => {
        const error = Object.assign(new Error('disk failure'), { chunk: BODY });
        return post('/', { body: new ReadableStream({ start: (stream) => stream.error(error) }) });
      },
    ],
    [
      'with a signer that fails',
      { code: 'signing_failed', cause: { code: 'EKEY' } },
      () =>
        signedFetch(fetch, {
          signRequest: (request) =>
            Promise.reject(Object.assign(new Error('no key'), { code: 'EKEY', request })),
        })(`${server.origin}/?token=${QUERY}`, { method: 'POST', body: BODY }),
    ],
    [
      'with a fetch whose errors hold the request',
      { message: 'upstream', status: 500 },
      () =>
        failingFetch((input, init) =>
          Object.assign(new Error('upstream', { cause: { init } }), {
            status: 500,
            request: new Request(input as string, init),
            options: { ...init, headers: Object.fromEntries(new Headers(init.headers)) },
            errors: [Object.assign(new Error('inner'), { init })],
          }),
        ),
    ],
    [
      'with a fetch whose errors are frozen',
      { message: 'upstream', name: 'Error' },
      () => failingFetch((_, init) => Object.freeze(Object.assign(new Error('upstream'), { init }))),
    ],
    [
      'with a fetch whose errors tell the headers',
      { message: expect.stringContaining('bad header') },
      () =>
        failingFetch(
          (_, init) => new Error(`bad header ${new Headers(init.headers).get('mcc-authentication')}`),
        ),
    ],
  ])('show no signature: %s', async (_name, expected, run) => {
    const error = await failureOf(run());
    expect(error).toMatchObject(expected);
    await expectNoSignature(error);
    if (error instanceof MAuthError) await expectNothingSecret(error);
  });
});
