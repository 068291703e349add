import axios, { type AxiosInstance, type AxiosRequestConfig, type InternalAxiosRequestConfig } from 'axios';
import { setupCache } from 'axios-cache-interceptor';
import MockAdapter from 'axios-mock-adapter';
import axiosRetry from 'axios-retry';
import FormData from 'form-data';
import nock from 'nock';
import { Readable } from 'node:stream';
import { MAuthSigner } from '../../lib/core.js';
import { stringToSign, verifySignature } from '../../lib/protocol/index.js';
import { MAuthAxiosInterceptor } from '../../lib/outbound/axios/sign-axios.js';
import { createTestApp } from '../support/test-app.js';
import { answerWith, expectAuthentic, mauthHeaders, RecordingServer } from './recording-server.js';

const app = createTestApp();
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });
const ORIGIN = 'https://api.example.com';
const server = new RecordingServer(app);

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => server.reset());

function clientOf(config: AxiosRequestConfig = { baseURL: ORIGIN }, options: object = {}): AxiosInstance {
  const client = axios.create(config);
  MAuthAxiosInterceptor.attach(client, signer, options);
  return client;
}

/** Whether the config that an adapter gets carries the signature of a request. */
function isSigned(
  { headers }: InternalAxiosRequestConfig,
  method: string,
  url: string,
  body?: string | Buffer,
) {
  const value = String(headers.get('MCC-Authentication') ?? '');
  const signature = Buffer.from(value.split(':')[1]?.slice(0, -1) ?? '', 'base64');
  const time = String(headers.get('MCC-Time') ?? '0');
  return verifySignature(
    2,
    app.publicKey,
    stringToSign(2, { method, url, body, appUuid: app.appUuid, time }),
    signature,
  );
}

describe('axios-mock-adapter', () => {
  it.each<
    [string, AxiosRequestConfig, (mock: MockAdapter) => void, (client: AxiosInstance) => Promise<unknown>]
  >([
    [
      'a relative URL',
      { baseURL: ORIGIN },
      (mock) => mock.onGet('/studies').reply(200, 'ok'),
      (c) => c.get('/studies'),
    ],
    [
      'an absolute URL',
      {},
      (mock) => mock.onGet(`${ORIGIN}/studies`).reply(200, 'ok'),
      (c) => c.get(`${ORIGIN}/studies`),
    ],
    ['an origin alone', {}, (mock) => mock.onGet(ORIGIN).reply(200, 'ok'), (c) => c.get(ORIGIN)],
    [
      'baseURL and URL',
      { baseURL: `${ORIGIN}/v1` },
      (mock) => mock.onGet(`${ORIGIN}/v1/studies`).reply(200, 'ok'),
      (c) => c.get('/studies'),
    ],
    [
      'a regular expression',
      { baseURL: ORIGIN },
      (mock) => mock.onGet(/^\/studies\/\d+$/).reply(200, 'ok'),
      (c) => c.get('/studies/12'),
    ],
    [
      'params',
      { baseURL: ORIGIN },
      (mock) => mock.onGet('/studies', { params: { page: 2, tags: ['a', 'b'] } }).reply(200, 'ok'),
      (c) => c.get('/studies', { params: { page: 2, tags: ['a', 'b'] } }),
    ],
    [
      'a JSON body',
      { baseURL: ORIGIN },
      (mock) => mock.onPost('/studies', { name: 'Mediflex' }).reply(200, 'ok'),
      (c) => c.post('/studies', { name: 'Mediflex' }),
    ],
    [
      'a text body',
      { baseURL: ORIGIN },
      (mock) => mock.onPut('/studies/1', 'name=Mediflex').reply(200, 'ok'),
      (c) => c.put('/studies/1', 'name=Mediflex'),
    ],
    [
      'headers',
      { baseURL: ORIGIN },
      (mock) =>
        mock
          .onDelete('/studies/1', { headers: expect.objectContaining({ 'X-Reason': 'test' }) as never })
          .reply(200, 'ok'),
      (c) => c.delete('/studies/1', { headers: { 'X-Reason': 'test' } }),
    ],
    [
      'an origin that is not signed',
      { baseURL: 'https://elsewhere.example' },
      (mock) => mock.onGet('/studies', { params: { a: '1' } }).reply(200, 'ok'),
      (c) => c.get('/studies', { params: { a: '1' } }),
    ],
  ])('matches %s', async (_, config, expectation, call) => {
    for (const order of ['mocked, then signed', 'signed, then mocked']) {
      const client = axios.create(config);
      const attach = () => MAuthAxiosInterceptor.attach(client, signer, { signedOrigins: [ORIGIN] });
      if (order === 'signed, then mocked') attach();
      const mock = new MockAdapter(client, { onNoMatch: 'throwException' });
      if (order === 'mocked, then signed') attach();
      expectation(mock);
      await expect(call(client)).resolves.toMatchObject({ status: 200, data: 'ok' });
    }
  });

  it('sees the signature of what the caller wrote, and no other MAuth header', async () => {
    const client = clientOf();
    const mock = new MockAdapter(client);
    mock.onAny().reply(204);
    await client.get('/studies', { params: { page: 2 }, headers: { 'X-MWS-Time': '1' } });
    await client.post('/studies', { name: 'Mediflex' });
    const [get] = mock.history.get as InternalAxiosRequestConfig[];
    const [post] = mock.history.post as InternalAxiosRequestConfig[];
    expect(get).toMatchObject({ url: '/studies', baseURL: ORIGIN, params: { page: 2 } });
    expect(get.headers.get('X-MWS-Time')).not.toBe('1');
    expect(isSigned(get, 'GET', '/studies?page=2')).toBe(true);
    expect(post.data).toBe('{"name":"Mediflex"}');
    expect(isSigned(post, 'POST', '/studies', '{"name":"Mediflex"}')).toBe(true);
  });

  it('answers with errors, time-outs and broken networks as without us', async () => {
    const client = clientOf();
    const mock = new MockAdapter(client);
    mock.onGet('/404').reply(404, { reason: 'none' });
    mock.onGet('/timeout').timeout();
    mock.onGet('/network').networkError();
    mock.onGet('/302').reply(302, undefined, { location: '/elsewhere' });
    mock.onGet('/elsewhere').reply(200, 'there');
    await expect(client.get('/404')).rejects.toMatchObject({
      isAxiosError: true,
      response: { status: 404, data: { reason: 'none' } },
    });
    await expect(client.get('/timeout')).rejects.toMatchObject({ code: 'ECONNABORTED' });
    await expect(client.get('/network')).rejects.toMatchObject({ message: 'Network Error' });
  });

  it('lets through what is to reach the server, signed', async () => {
    const client = clientOf({ baseURL: server.origin });
    const mock = new MockAdapter(client);
    mock.onGet('/mocked').reply(200, 'mocked');
    mock.onAny().passThrough();
    await client.post('/real', { a: 'ä' }, { params: { 'x y': 'z' } });
    expectAuthentic(server.last, app);
    await expect(client.get('/mocked')).resolves.toMatchObject({ data: 'mocked' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('An adapter of the caller', () => {
  const seen = async (
    call: (client: AxiosInstance) => Promise<unknown>,
    config: AxiosRequestConfig = { baseURL: ORIGIN },
    options: object = {},
  ): Promise<InternalAxiosRequestConfig> => {
    let found: InternalAxiosRequestConfig | undefined;
    const adapter = (given: InternalAxiosRequestConfig) => {
      found = given;
      return Promise.resolve({ data: '', status: 200, statusText: '', headers: {}, config: given });
    };
    await call(clientOf({ ...config, adapter }, options));
    if (!found) throw new Error('the adapter was not called');
    return found;
  };
  /** What plain axios hands over, without what is ours. */
  const asPlain = async (call: (client: AxiosInstance) => Promise<unknown>, config: AxiosRequestConfig) => {
    let found: InternalAxiosRequestConfig | undefined;
    const adapter = (given: InternalAxiosRequestConfig) => {
      found = given;
      return Promise.resolve({ data: '', status: 200, statusText: '', headers: {}, config: given });
    };
    await call(axios.create({ ...config, adapter }));
    return found as InternalAxiosRequestConfig;
  };
  const OURS = ['adapter', 'maxRedirects', 'beforeRedirect', 'fetchOptions', 'validateStatus', 'headers'];
  const comparable = (config: InternalAxiosRequestConfig) => ({
    ...Object.fromEntries(
      Object.entries(config).filter(([name, value]) => !OURS.includes(name) && value !== undefined),
    ),
    headers: Object.fromEntries(
      Object.entries(config.headers.toJSON()).filter(([name]) => !/^(mcc|x-mws)-/i.test(name)),
    ),
  });

  it.each<[string, (client: AxiosInstance) => Promise<unknown>]>([
    ['GET with params', (c) => c.get('/a', { params: { b: 'ä ö', c: [1, 2] }, timeout: 500 })],
    ['POST of JSON', (c) => c.post('/a', { b: 1 })],
    ['POST of a form', (c) => c.post('/a', new URLSearchParams({ b: '1' }))],
    ['POST without a body', (c) => c.post('/a')],
    ['PUT of bytes', (c) => c.put('/a', Buffer.from([1, 2, 3]), { headers: { 'Content-Length': '3' } })],
    [
      'an absolute URL',
      (c) => c.request({ url: `${ORIGIN}/x?y=1`, method: 'DELETE', auth: { username: 'u', password: 'p' } }),
    ],
  ])('gets the config of plain axios: %s', async (_, call) => {
    const config = { baseURL: `${ORIGIN}/v1`, responseType: 'json' as const };
    const [ours, plain] = [await seen(call, config), await asPlain(call, config)];
    expect(comparable(ours)).toEqual(comparable(plain));
    expect(ours.headers.constructor.name).toBe('AxiosHeaders');
  });

  it.each<[string, string, AxiosRequestConfig, string]>([
    ['a space', '/a b', {}, '/a%20b'],
    ['a dot segment', '/x/../a', {}, '/a'],
    ['a fragment', '/a#part', {}, '/a'],
    [
      'a serializer that escapes nothing',
      '/a',
      { params: { b: 'ä' }, paramsSerializer: { serialize: () => 'b=ä c' } },
      '/a?b=%C3%A4%20c',
    ],
  ])('gets the settled URL where it is another one: %s', async (_, url, config, target) => {
    const found = await seen((client) => client.get(url, config));
    expect(found).toMatchObject({ url: ORIGIN + target });
    expect(found.params).toBeUndefined();
    expect(isSigned(found, 'GET', target)).toBe(true);
  });

  it('gets the bytes of a stream that had to be read, for it cannot be read again', async () => {
    const found = await seen((client) => client.post('/a', Readable.from(['b', 'c'])));
    expect(String(found.data)).toBe('bc');
    expect(isSigned(found, 'POST', '/a', 'bc')).toBe(true);
  });

  it('follows no redirect by itself, whatever the caller wrote', async () => {
    const found = await seen((client) => client.get('/a', { maxRedirects: 7 }));
    expect(found).toMatchObject({ maxRedirects: 0, fetchOptions: { redirect: 'manual' } });
  });

  it('is not asked where there is no absolute URL', async () => {
    await expect(seen((client) => client.get('/a'), {})).rejects.toMatchObject({ code: 'malformed_url' });
  });
});

describe('nock', () => {
  beforeAll(() => nock.disableNetConnect());
  afterAll(() => {
    nock.enableNetConnect();
    nock.restore();
  });

  it('matches path, query and body, and sees the signature', async () => {
    const scope = nock(ORIGIN, { reqheaders: { 'mcc-authentication': /^MWSV2 / } })
      .post('/studies', { name: 'Mediflex' })
      .query({ page: '2' })
      .reply(201, { id: 1 });
    await expect(
      clientOf().post('/studies', { name: 'Mediflex' }, { params: { page: 2 } }),
    ).resolves.toMatchObject({ status: 201, data: { id: 1 } });
    expect(scope.isDone()).toBe(true);
  });
});

describe('msw', () => {
  it('intercepts signed requests, and sees what was signed', async () => {
    const { http, HttpResponse } = await import('msw');
    const { setupServer } = await import('msw/node');
    let request: Request | undefined;
    const worker = setupServer(
      http.post(`${ORIGIN}/studies`, (intercepted) => {
        request = intercepted.request.clone();
        return HttpResponse.json({ id: 1 }, { status: 201 });
      }),
    );
    worker.listen({ onUnhandledRequest: 'error' });
    try {
      await expect(clientOf().post('/studies', { name: 'Mediflex' })).resolves.toMatchObject({
        data: { id: 1 },
      });
    } finally {
      worker.close();
    }
    expect(request?.headers.get('mcc-authentication')).toMatch(/^MWSV2 /);
    await expect(request?.text()).resolves.toBe('{"name":"Mediflex"}');
  });
});

describe('axios-retry', () => {
  it.each<[string, () => unknown, string | RegExp]>([
    ['JSON', () => ({ name: 'Mediflex' }), '{"name":"Mediflex"}'],
    ['URLSearchParams', () => new URLSearchParams({ a: '1' }), 'a=1'],
    ['a multipart form', multipart, /name="a"/],
    ['a stream', () => Readable.from(['a', 'b']), 'ab'],
  ])('sends %s again, signed afresh', async (_, body, sent) => {
    const client = clientOf({ baseURL: server.origin });
    axiosRetry(client, { retries: 2, retryCondition: ({ response }) => response?.status === 503 });
    server.answer(answerWith(503), answerWith(503), answerWith(200));
    await client.post('/studies', body(), { headers: { 'X-Call': '1' } });
    expect(server.requests).toHaveLength(3);
    for (const request of server.requests) {
      expectAuthentic(request, app);
      expect(request.body.toString()).toMatch(
        typeof sent === 'string' ? new RegExp(`^${escaped(sent)}$`) : sent,
      );
    }
  });
});

describe('axios-cache-interceptor', () => {
  it('keeps an answer, and asks with a signature where it has none', async () => {
    const client = setupCache(axios.create({ baseURL: server.origin })) as unknown as AxiosInstance;
    MAuthAxiosInterceptor.attach(client, signer);
    server.answer(answerWith(200, { 'cache-control': 'max-age=60' }, 'kept'));
    const first = await client.get('/studies');
    const second = await client.get('/studies');
    expect([first.data, second.data]).toEqual(['kept', 'kept']);
    expect(server.requests).toHaveLength(1);
    expectAuthentic(server.last, app);
    expect(mauthHeaders({ headers: second.config.headers } as never)).toEqual([]);
  });
});

function multipart(): FormData {
  const form = new FormData();
  form.append('a', '1');
  return form;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
