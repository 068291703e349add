import axios, { type AxiosRequestConfig } from 'axios';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { MAuthAxiosInterceptor } from '../../lib/outbound/axios/sign-axios.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { createTestApp } from '../support/test-app.js';
import {
  answerWith,
  expectAuthentic,
  mauthHeaders,
  RecordingServer,
  redirectTo,
} from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => server.reset());

function client(config: AxiosRequestConfig = {}, signedOrigins?: string[]) {
  const instance = axios.create({ baseURL: server.origin, ...config });
  MAuthAxiosInterceptor.attach(instance, signer, { signedOrigins });
  return instance;
}

describe('Through a proxy', () => {
  const lines: string[] = [];
  let proxy: Server;

  beforeAll(async () => {
    proxy = createServer((request, response) => {
      lines.push(`${request.method} ${request.url}`);
      const { pathname, search, port } = new URL(request.url ?? '');
      const onward = httpRequest(
        {
          port,
          host: '127.0.0.1',
          method: request.method,
          path: pathname + search,
          headers: request.headers,
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      );
      request.pipe(onward);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  beforeEach(() => void (lines.length = 0));

  const throughProxy = () => ({
    host: '127.0.0.1',
    port: (proxy.address() as AddressInfo).port,
    protocol: 'http',
  });

  it('the target is signed as the server sees it, not in the absolute form of the proxy', async () => {
    await client({ proxy: throughProxy() }).post('/studies', { a: 1 }, { params: { q: `it's` } });
    expect(lines).toEqual([`POST ${server.origin}/studies?q=it%27s`]);
    expectAuthentic(server.last, app);
  });

  it('so is that of a redirect', async () => {
    server.answer(redirectTo(307, '/moved?x=1'));
    await client({ proxy: throughProxy() }).post('/studies', 'x');
    expect(lines).toEqual([`POST ${server.origin}/studies`, `POST ${server.origin}/moved?x=1`]);
    for (const request of server.requests) expectAuthentic(request, app);
  });
});

describe('Over a Unix socket', () => {
  const directory = mkdtempSync(join(tmpdir(), 'outbound-'));
  const socketPath = join(directory, 'server.sock');
  const local = new RecordingServer(app);

  beforeAll(() => local.start(socketPath));
  afterAll(async () => {
    await local.stop();
    rmSync(directory, { recursive: true });
  });

  it('a request with a path for its URL is signed, and so is its redirect', async () => {
    local.answer(redirectTo(307, '/moved'));
    await client({ baseURL: undefined, socketPath }).post('/containers?all=1', { a: 1 });
    expect(local.requests.map(({ target }) => target)).toEqual(['/containers?all=1', '/moved']);
    for (const request of local.requests) expectAuthentic(request, app);
  });

  it('its origin is http://localhost', async () => {
    local.reset();
    await client({ baseURL: undefined, socketPath }, ['http://localhost']).get('/signed');
    await client({ baseURL: undefined, socketPath }, ['https://localhost']).get('/unsigned');
    expectAuthentic(local.requests[0], app);
    expect(mauthHeaders(local.requests[1])).toEqual([]);
  });
});

describe('Over HTTP/2', () => {
  const sessions = new Set<{ destroy(): void }>();
  const second = new RecordingServer(app, (listener: RequestListener) => {
    const http2 = createHttp2Server((request, response) => listener(request as never, response as never));
    http2.on('session', (session) => sessions.add(session));
    return Object.assign(http2, {
      closeAllConnections: () => sessions.forEach((session) => session.destroy()),
    }) as never;
  });

  beforeAll(() => second.start());
  afterAll(() => second.stop());

  it.each<[string, AxiosRequestConfig]>([
    ['GET', { url: '/studies', params: { q: `it's` } }],
    ['POST', { method: 'post', url: '/studies?x=1', data: { a: 1 } }],
  ])('%s is signed', async (_name, config) => {
    const instance = client({ baseURL: second.origin, httpVersion: 2 } as AxiosRequestConfig);
    expect((await instance.request(config)).status).toBe(200);
    expectAuthentic(second.last, app);
  });

  it('a redirect is answered as axios answers it there: it is not followed', async () => {
    second.answer(redirectTo(302, '/to'));
    const instance = client({
      baseURL: second.origin,
      httpVersion: 2,
      validateStatus: null,
    } as AxiosRequestConfig);
    expect((await instance.get('/from')).status).toBe(302);
  });
});

describe('What axios offers besides still works', () => {
  it('keep-alive agents', async () => {
    const httpAgent = new Agent({ keepAlive: true, maxSockets: 1 });
    const instance = client({ httpAgent });
    await Promise.all(Array.from({ length: 5 }, (_, index) => instance.post('/', { index })));
    for (const request of server.requests) expectAuthentic(request, app);
    expect(Object.keys(httpAgent.freeSockets)).toHaveLength(1);
    httpAgent.destroy();
  });

  it('time-outs', async () => {
    server.answer(() => undefined);
    await expect(client({ timeout: 60 }).get('/')).rejects.toMatchObject({
      code: 'ECONNABORTED',
      message: 'timeout of 60ms exceeded',
      config: { url: '/', timeout: 60 },
    });
  });

  it('the message of a time-out', async () => {
    server.answer(() => undefined);
    const config = { timeout: 60, timeoutErrorMessage: 'too slow' };
    await expect(client(config).get('/')).rejects.toMatchObject({ message: 'too slow' });
  });

  it('aborting', async () => {
    const controller = new AbortController();
    server.answer(() => controller.abort());
    await expect(client({ signal: controller.signal }).get('/')).rejects.toMatchObject({
      code: 'ERR_CANCELED',
    });
  });

  it('maxBodyLength', async () => {
    const request = client({ maxBodyLength: 10 }).post('/', 'more than ten');
    await expect(request).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST', config: { url: '/' } });
    expect(server.requests).toEqual([]);
  });

  it('maxContentLength', async () => {
    server.answer(answerWith(200, {}, 'more than ten'));
    await expect(client({ maxContentLength: 10 }).get('/')).rejects.toMatchObject({
      code: 'ERR_BAD_RESPONSE',
    });
  });

  it('upload and download progress', async () => {
    const loaded = { up: 0, down: 0 };
    await client().post('/', 'x'.repeat(10_000), {
      onUploadProgress: (event) => void (loaded.up = event.loaded),
      onDownloadProgress: (event) => void (loaded.down = event.loaded),
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(loaded).toEqual({ up: 10_000, down: 'received'.length });
    expectAuthentic(server.last, app);
  });

  it('decompression and transformResponse', async () => {
    const body = gzipSync('{"a":1}');
    server.answer((response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(body));
    expect((await client().get('/')).data).toEqual({ a: 1 });
  });

  it('streamed and binary answers', async () => {
    const streamed = await client().get<Readable>('/', { responseType: 'stream' });
    const chunks: Buffer[] = [];
    for await (const chunk of streamed.data) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('received');
    const binary = await client().get('/', { responseType: 'arraybuffer' });
    expect(binary.data).toEqual(Buffer.from('received'));
  });

  it('a header that is switched off', async () => {
    await client().get('/', { headers: { 'User-Agent': false, 'X-Absent': null, Accept: 'text/plain' } });
    expect(server.last.headers).not.toHaveProperty('user-agent');
    expect(server.last.headers).not.toHaveProperty('x-absent');
    expect(server.last.headers.accept).toBe('text/plain');
  });

  it('fetchOptions, except those that would change what was signed', async () => {
    const fetchOptions = { method: 'DELETE', body: 'other', headers: { 'x-other': '1' }, keepalive: true };
    await client({ adapter: 'fetch' }).post('/', 'body', { fetchOptions } as AxiosRequestConfig);
    expect(server.last).toMatchObject({ method: 'POST' });
    expect(server.last.body.toString()).toBe('body');
    expectAuthentic(server.last, app);
  });

  it('own settings in the config, whatever they refer to', async () => {
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    const instance = client();
    instance.interceptors.request.use((config) => Object.assign(config, { meta: circle }));
    const response = await instance.get('/');
    expect((response.config as any).meta).toBe(circle);
  });
});
