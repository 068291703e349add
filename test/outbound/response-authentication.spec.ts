import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Readable } from 'node:stream';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import axios, { AxiosError, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import {
  getMAuthIdentity,
  MAuthAuthenticator,
  MAuthAxiosInterceptor,
  MAuthConfigurationError,
  MAuthInauthenticError,
  MAuthSigner,
  MAuthUnableToAuthenticateError,
  type MAuthAttachOptions,
  type MAuthRequestConfig,
} from '../../lib/index.js';
import { readAll } from '../support/inbound-app.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const answerer = createTestApp();
const imposter = createTestApp();
const ownSigner = new MAuthSigner({ appUuid: own.appUuid, privateKey: own.privateKey });
const authenticator = new MAuthAuthenticator({
  appUuid: own.appUuid,
  logger: new RecordingLogger(),
  findPublicKey: (appUuid) => [answerer, imposter].find((app) => app.appUuid === appUuid)?.publicKey,
});

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: Buffer | string;
  by?: typeof answerer | null;
  versions?: 'v1' | 'v2' | 'v1,v2';
  /** Changes what was signed. */
  tamper?: (response: { status: number; headers: Record<string, string>; body: Buffer }) => void;
}

/** Signs its answers, or tampers with them afterwards. */
class AnsweringServer {
  reply: Reply | ((request: IncomingMessage) => Reply) = {};
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(request);
    request.resume();
    const reply = typeof this.reply === 'function' ? this.reply(request) : this.reply;
    const { status = 200, by = answerer, versions = 'v2', tamper } = reply;
    const body =
      request.method === 'HEAD' || status === 204 ? Buffer.alloc(0) : Buffer.from(reply.body ?? '');
    const signer =
      by && new MAuthSigner({ appUuid: by.appUuid, privateKey: by.privateKey, signVersions: versions });
    const signature = (await signer?.signResponse({ status, body })) ?? {};
    const sent = { status, headers: { ...reply.headers, ...signature }, body };
    tamper?.(sent);
    response.writeHead(sent.status, sent.headers).end(sent.body);
  }
}

const server = new AnsweringServer();
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.reply = {};
  server.requests.length = 0;
});

const TEXT = '\ufeff{"name":"Müller"}';
const JSON_TEXT = '{"name":"Müller","ids":[1,2]}';

function failureOf(request: Promise<unknown>): Promise<Error & { code?: string }> {
  return request.then(
    () => Promise.reject(new Error('The request should have failed.')),
    (error: Error) => error,
  );
}

describe.each(['http', 'fetch'] as const)('Authenticated responses, with the %s adapter', (adapter) => {
  function client(options: MAuthAttachOptions = {}, config: AxiosRequestConfig = {}) {
    const instance = axios.create({ baseURL: server.origin, adapter, ...config });
    MAuthAxiosInterceptor.attach(instance, ownSigner, {
      authenticator,
      authenticateResponses: true,
      ...options,
    });
    return instance;
  }
  const plain = (config: AxiosRequestConfig = {}) =>
    axios.create({ baseURL: server.origin, adapter, ...config });

  /** What a response type yields, in a form that can be compared. */
  async function readable(data: unknown): Promise<unknown> {
    if (data instanceof Blob) return { blob: await data.text(), type: data.type };
    if (typeof (data as ReadableStream | null)?.getReader === 'function') {
      return { webStream: await new Response(data as ReadableStream).text() };
    }
    if (typeof (data as Readable | null)?.pipe === 'function') {
      return { stream: (await readAll(data as Readable)).toString('hex') };
    }
    if (Object.prototype.toString.call(data) === '[object ArrayBuffer]') {
      return { arrayBuffer: Buffer.from(data as ArrayBuffer).toString('hex') };
    }
    return Buffer.isBuffer(data) ? { buffer: data.toString('hex') } : data;
  }

  it.each(['v1', 'v2', 'v1,v2'] as const)('tells who signed a response with %s', async (versions) => {
    server.reply = { body: JSON_TEXT, versions };
    const response = await client().get('/');
    const identity = getMAuthIdentity(response);
    expect([response.data, identity]).toEqual([
      JSON.parse(JSON_TEXT),
      { appUuid: answerer.appUuid, protocolVersion: versions === 'v1' ? 1 : 2 },
    ]);
    expect(Object.isFrozen(identity)).toBe(true);
  });

  it.each(['json', 'text', 'arraybuffer', 'stream', 'blob', 'document', undefined] as const)(
    'hands over the response type %s as axios does',
    async (responseType) => {
      for (const body of [JSON_TEXT, TEXT, '', 'no JSON']) {
        server.reply = { body, headers: { 'content-type': 'application/json', 'x-own': 'kept' } };
        const config: AxiosRequestConfig = { responseType };
        const outcome = (response: AxiosResponse) => readable(response.data);
        const expected = await plain()
          .get('/', config)
          .then(outcome, (error: Error) => error.message);
        const received = await client()
          .get('/', config)
          .then(outcome, (error: Error) => error.message);
        expect([body, received]).toEqual([body, expected]);
      }
    },
  );

  it('hands over an encoding of text as axios does', async () => {
    server.reply = { body: Buffer.from([0xe4, 0xf6, 0xfc]) };
    const config: AxiosRequestConfig = { responseType: 'text', responseEncoding: 'latin1' };
    expect((await client().get('/', config)).data).toBe((await plain().get('/', config)).data);
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['DELETE', 204],
    ['POST', 201],
  ])('takes the response to %s with status %i', async (method, status) => {
    server.reply = {
      status,
      body: status === 201 ? 'made' : '',
      headers: { 'content-encoding': 'identity' },
    };
    const response = await client().request({ method, url: '/' });
    expect([response.status, response.data, getMAuthIdentity(response)?.appUuid]).toEqual([
      status,
      status === 201 ? 'made' : '',
      answerer.appUuid,
    ]);
  });

  it('authenticates an error status, then fails as axios does', async () => {
    server.reply = { status: 422, body: '{"reason":"too young"}' };
    const error = (await failureOf(client().get('/'))) as AxiosError;
    expect(error).toBeInstanceOf(AxiosError);
    expect([error.code, error.response?.status, error.response?.data]).toEqual([
      'ERR_BAD_REQUEST',
      422,
      { reason: 'too young' },
    ]);
    expect(getMAuthIdentity(error.response)?.appUuid).toBe(answerer.appUuid);
    const accepted = await client().get('/', { validateStatus: (status) => status === 422 });
    expect([accepted.status, accepted.data]).toEqual([422, { reason: 'too young' }]);
    const unfollowed = { maxRedirects: 0 };
    expect(await failureOf(client({}, unfollowed).get('/'))).toBeInstanceOf(AxiosError);
  });

  it.each<[string, Reply['tamper']]>([
    ['status', (response) => (response.status = 202)],
    ['body', (response) => (response.body = Buffer.from('{"a":2}'))],
    ['time', ({ headers }) => (headers['MCC-Time'] = String(Number(headers['MCC-Time']) + 1))],
    [
      'app',
      ({ headers }) =>
        (headers['MCC-Authentication'] = headers['MCC-Authentication'].replace(
          answerer.appUuid,
          imposter.appUuid,
        )),
    ],
  ])('refuses a response whose %s was changed', async (_, tamper) => {
    server.reply = { body: '{"a":1}', tamper };
    const error = await failureOf(client().get('/'));
    expect(error).toBeInstanceOf(MAuthInauthenticError);
    expect(error).toMatchObject({ code: 'signature_mismatch' });
    expect(error.message).not.toContain('"a"');
    expect('response' in error).toBe(false);
  });

  it('refuses an unsigned response, whatever its status', async () => {
    for (const status of [200, 401, 500]) {
      server.reply = { status, by: null, body: 'hello' };
      expect(await failureOf(client().get('/'))).toMatchObject({
        name: 'MAuthInauthenticError',
        code: 'missing_headers',
      });
    }
  });

  it('cannot tell when the key cannot be found', async () => {
    const helpless = new MAuthAuthenticator({
      appUuid: own.appUuid,
      logger: new RecordingLogger(),
      findPublicKey: () => Promise.reject(new Error('out of order')),
    });
    const error = await failureOf(client({ authenticator: helpless }).get('/'));
    expect(error).toBeInstanceOf(MAuthUnableToAuthenticateError);
    expect(error.code).toBe('key_lookup_failed');
  });

  it('takes the response of no other app than the expected one', async () => {
    server.reply = { by: imposter };
    const pinned = client({ expectAppUuid: answerer.appUuid.toUpperCase() });
    expect(await failureOf(pinned.get('/'))).toMatchObject({
      name: 'MAuthInauthenticError',
      code: 'unexpected_app',
    });
    const config: MAuthRequestConfig<AxiosRequestConfig> = { mauth: { expectAppUuid: imposter.appUuid } };
    expect((await pinned.get('/', config)).status).toBe(200);
    server.reply = { by: answerer };
    expect((await pinned.get('/')).status).toBe(200);
  });

  it('refuses a request that contradicts itself, and sends nothing', async () => {
    const config: MAuthRequestConfig<AxiosRequestConfig> = {
      mauth: { authenticateResponse: false, expectAppUuid: answerer.appUuid },
    };
    const error = await failureOf(client().get('/', config));
    expect(error).toBeInstanceOf(MAuthConfigurationError);
    expect(error.message).toMatch(/`mauth\.authenticateResponse` is false/);
    expect(server.requests).toEqual([]);
  });

  it('authenticates the responses of those requests alone that ask for it', async () => {
    server.reply = { by: null };
    const instance = client({ authenticateResponses: false });
    const config: MAuthRequestConfig<AxiosRequestConfig> = { mauth: { authenticateResponse: true } };
    expect(getMAuthIdentity(await instance.get('/'))).toBeUndefined();
    expect(await failureOf(instance.get('/', config))).toBeInstanceOf(MAuthInauthenticError);
    const spared: MAuthRequestConfig<AxiosRequestConfig> = { mauth: { authenticateResponse: false } };
    expect((await client().get('/', spared)).status).toBe(200);
  });

  it('authenticates what comes from origins whose requests are not signed', async () => {
    server.reply = { by: null };
    const instance = client({ signedOrigins: ['https://other.example.com'] });
    expect(await failureOf(instance.get('/'))).toBeInstanceOf(MAuthInauthenticError);
    server.reply = { by: answerer, body: 'signed' };
    expect((await instance.get('/')).data).toBe('signed');
  });

  it('authenticates the last response of a chain of redirects', async () => {
    server.reply = ({ url }) =>
      url === '/from' ? { status: 302, headers: { location: '/to' }, by: null } : { body: 'arrived' };
    const response = await client().get('/from');
    expect([response.data, getMAuthIdentity(response)?.appUuid]).toEqual(['arrived', answerer.appUuid]);
    server.reply = ({ url }) =>
      url === '/from' ? { status: 302, headers: { location: '/to' } } : { by: null };
    expect(await failureOf(client().get('/from'))).toBeInstanceOf(MAuthInauthenticError);
    server.reply = { status: 302, headers: { location: '/to' }, by: null };
    expect(await failureOf(client().get('/from', { maxRedirects: 0 }))).toBeInstanceOf(MAuthInauthenticError);
  });

  it('respects maxContentLength', async () => {
    server.reply = { body: 'x'.repeat(1001) };
    expect((await client().get('/', { maxContentLength: 1001 })).status).toBe(200);
    for (const responseType of ['text', 'stream'] as const) {
      const error = await failureOf(client().get('/', { maxContentLength: 1000, responseType }));
      expect(error.message).toBe('maxContentLength size of 1000 exceeded');
    }
  });

  it('runs the transforms of the response as axios does', async () => {
    server.reply = { body: JSON_TEXT };
    const seen: unknown[] = [];
    const transformResponse = [(data: unknown) => (seen.push(data), 'transformed')];
    expect((await client().get('/', { transformResponse })).data).toBe('transformed');
    expect(seen).toEqual([JSON_TEXT]);
  });

  it('authenticates again when the same config is sent again', async () => {
    server.reply = { body: JSON_TEXT };
    const instance = client();
    const { config } = await instance.get('/');
    expect((await instance.request(config)).data).toEqual(JSON.parse(JSON_TEXT));
    server.reply = { by: null };
    expect(await failureOf(instance.request(config))).toBeInstanceOf(MAuthInauthenticError);
  });

  const LONG = 'Mediflex '.repeat(5000);
  const encodings = {
    gzip: gzipSync(LONG),
    'x-gzip': gzipSync(LONG),
    deflate: deflateSync(LONG),
    br: brotliCompressSync(LONG),
    'raw deflate': deflateRawSync(LONG),
    unknown: Buffer.from('as it is'),
  };

  if (adapter === 'http') {
    it.each(Object.entries(encodings))(
      'verifies %s as received, then decompresses it',
      async (name, body) => {
        const encoding = name === 'raw deflate' ? 'deflate' : name;
        server.reply = { body, headers: { 'content-encoding': encoding } };
        for (const responseType of ['text', 'stream', 'arraybuffer'] as const) {
          const response = await client().get('/', { responseType });
          const expected = await plain().get('/', { responseType });
          expect(await readable(response.data)).toEqual(await readable(expected.data));
          expect(response.headers['content-encoding']).toBe(expected.headers['content-encoding']);
        }
        const raw = await client().get('/', { responseType: 'arraybuffer', decompress: false });
        expect([raw.data.equals(body), raw.headers['content-encoding']]).toEqual([true, encoding]);
      },
    );

    it('lets no body grow beyond maxContentLength', async () => {
      server.reply = { body: encodings.gzip, headers: { 'content-encoding': 'gzip' } };
      const error = await failureOf(client().get('/', { maxContentLength: 10_000 }));
      expect(error).toBeInstanceOf(AxiosError);
      expect([error.code, error.message]).toEqual([
        'ERR_BAD_RESPONSE',
        'maxContentLength size of 10000 exceeded',
      ]);
    });

    it('says that a response was cut short, and takes its status for nothing', async () => {
      const headers = { 'content-length': '99', connection: 'close' };
      server.reply = { status: 404, body: 'half', headers };
      const error = await failureOf(client().get('/'));
      expect(error).toBeInstanceOf(MAuthUnableToAuthenticateError);
      expect(error).toMatchObject({ code: 'body_unavailable', message: expect.stringMatching(/cut short/) });
      expect(error).not.toHaveProperty('response');
      expect(error.cause).toMatchObject({ message: 'stream has been aborted' });
    });

    it('takes a compressed answer to HEAD, and an empty one', async () => {
      server.reply = { body: '', headers: { 'content-encoding': 'gzip' } };
      expect((await client().head('/')).status).toBe(200);
      expect((await client().get('/')).data).toBe('');
    });
  } else {
    it('asks for bytes that fetch does not change', async () => {
      await client().get('/');
      expect(server.requests[0].headers['accept-encoding']).toBe('identity');
    });

    it('never accepts bytes that fetch has changed', async () => {
      const changed = { body: encodings.gzip, headers: { 'content-encoding': 'gzip' } };
      server.reply = changed;
      const error = await failureOf(client().get('/', { headers: { 'Accept-Encoding': 'gzip' } }));
      expect(error).toBeInstanceOf(MAuthUnableToAuthenticateError);
      expect(error.code).toBe('body_unavailable');
    });
  }
});

describe('Authenticating responses', () => {
  it('needs somebody to do it', async () => {
    const attach = (options: MAuthAttachOptions) => () =>
      MAuthAxiosInterceptor.attach(axios.create(), ownSigner, options);
    expect(attach({ authenticateResponses: true })).toThrow(MAuthConfigurationError);
    expect(attach({ expectAppUuid: answerer.appUuid })).toThrow(/authenticator/);
    expect(attach({ authenticator, expectAppUuid: 'rave' })).toThrow(/`http\.expectAppUuid` must be a UUID/);
    expect(attach({ authenticator, expectAppUuid: answerer.appUuid, authenticateResponses: false })).toThrow(
      /`http\.authenticateResponses` is false/,
    );
    const instance = axios.create({ baseURL: server.origin });
    MAuthAxiosInterceptor.attach(instance, ownSigner);
    const config: MAuthRequestConfig<AxiosRequestConfig> = { mauth: { authenticateResponse: true } };
    expect(await failureOf(instance.get('/', config))).toBeInstanceOf(MAuthConfigurationError);
    expect(server.requests).toEqual([]);
  });

  it('refuses what an adapter hands over as anything but bytes', async () => {
    const instance = axios.create({
      adapter: async (config) =>
        ({ data: { a: 1 }, status: 200, statusText: '', headers: {}, config }) as AxiosResponse,
    });
    MAuthAxiosInterceptor.attach(instance, ownSigner, { authenticator, authenticateResponses: true });
    expect(await failureOf(instance.get(server.origin))).toMatchObject({ code: 'body_unavailable' });
  });
});
