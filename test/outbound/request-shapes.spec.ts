import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import FormDataPackage from 'form-data';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { MAuthAxiosInterceptor } from '../../lib/outbound/axios/sign-axios.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { createTestApp } from '../support/test-app.js';
import { answerWith, expectAuthentic, RecordingServer, redirectTo } from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => server.reset());

interface Shape {
  readonly name: string;
  /** Made afresh for each use: streams are read only once. */
  config(): AxiosRequestConfig;
  /** Registered around the signing interceptor. */
  prepare?(instance: AxiosInstance): void;
  finish?(instance: AxiosInstance): void;
  /** What must arrive, where it is not obvious. */
  readonly target?: string;
  readonly body?: string | Buffer | RegExp;
  readonly contentType?: string | RegExp;
  /** The fetch API knows no such request. */
  readonly httpOnly?: true;
}

const bigger = new Uint8Array(Buffer.from('secret{"view":true}secret')).buffer;
const post = (data: unknown, config: AxiosRequestConfig = {}) => ({
  method: 'post',
  url: '/bodies',
  data,
  ...config,
});
const get = (url: string, config: AxiosRequestConfig = {}) => ({ url, ...config });

function packageForm(): FormDataPackage {
  const form = new FormDataPackage();
  form.append('title', 'a study');
  form.append('file', Buffer.from([0, 255, 1]), { filename: 'data.bin' });
  return form;
}

function nativeForm(): FormData {
  const form = new FormData();
  form.append('title', 'Grüße "quoted"\r\nsecond line');
  form.append('file', new File([new Uint8Array([0, 255, 1])], 'da"ta.bin', { type: 'application/x-data' }));
  return form;
}

/** A form of a library that brings its own classes. */
class ForeignForm {
  readonly [Symbol.toStringTag] = 'FormData';

  append(): void {}

  *entries() {
    yield ['text', 'value'] as const;
    const file = { name: 'a.txt', type: 'text/plain', size: 3, arrayBuffer: async () => Buffer.from('abc') };
    yield ['file', file] as const;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

const shapes: Shape[] = [
  { name: 'no query', config: () => get('/studies'), target: '/studies' },
  { name: 'no path', config: () => get(''), target: '/' },
  { name: 'a lone question mark', config: () => get('/studies?'), target: '/studies' },
  {
    name: 'params',
    config: () => get('/studies', { params: { page: 1, q: 'a b' } }),
    target: '/studies?page=1&q=a+b',
  },
  { name: 'params behind a query', config: () => get('/s?x=1', { params: { y: 2 } }), target: '/s?x=1&y=2' },
  { name: 'an array in params', config: () => get('/s', { params: { id: [3, 1, 2] } }) },
  {
    name: 'nested params',
    config: () => get('/s', { params: { where: { site: { id: 7 }, tags: ['x', 'y'] } } }),
  },
  { name: 'a date in params', config: () => get('/s', { params: { since: new Date(1_600_000_000_000) } }) },
  {
    name: 'null and undefined in params',
    config: () => get('/s', { params: { a: null, b: undefined, c: '' } }),
  },
  {
    name: 'URLSearchParams as params',
    config: () => get('/s', { params: new URLSearchParams('b=2&a=1&b=1') }),
  },
  { name: 'Unicode in params', config: () => get('/s', { params: { näme: 'Grüße 🌍 \u{1F600}' } }) },
  { name: 'quotes in params', config: () => get('/s', { params: { q: `it's "so" <b>` } }) },
  {
    name: 'plus, percent and ampersand in params',
    config: () => get('/s', { params: { q: '1+1=2 100% a&b' } }),
  },
  {
    name: 'a paramsSerializer that escapes nothing',
    config: () => get('/s', { params: { q: 1 }, paramsSerializer: () => "b=ü's x#y\tz&a=1" }),
    target: '/s?b=%C3%BC%27s%20x%23y%09z&a=1',
  },
  {
    name: 'a paramsSerializer with a counter',
    config: () => {
      let calls = 0;
      return get('/s', { params: { q: 1 }, paramsSerializer: () => `call=${++calls}` });
    },
    target: '/s?call=1',
  },
  {
    name: 'a base URL with a path',
    config: () => ({ ...get('studies'), baseURL: `${server.origin}/api/` }),
    target: '/api/studies',
  },
  {
    name: 'an absolute URL that is not allowed to be one',
    config: () => ({
      url: 'http://elsewhere.invalid/x',
      baseURL: `${server.origin}/api`,
      allowAbsoluteUrls: false,
    }),
  },
  {
    name: 'an absolute URL',
    config: () => ({ url: `${server.origin}/absolute?x=1`, baseURL: 'http://elsewhere.invalid' }),
  },
  { name: 'a fragment', config: () => get('/s?x=1#part', { params: { y: 2 } }), target: '/s?x=1&y=2' },
  { name: 'a fragment without params', config: () => get('/s#part'), target: '/s' },
  { name: 'unescaped characters in the path', config: () => get('/stüdies/a b/"c"/{d}/[e]|f') },
  { name: 'escaped characters in the path', config: () => get('/st%c3%bcdies/a%20b%2Fc/%7Ed/%cF') },
  {
    name: 'dot segments and repeated slashes',
    config: () => get('/a/./b/../c//d///e/'),
    target: '/a/c//d///e/',
  },
  {
    name: 'repeated slashes and params',
    config: () => get('/a//b', { params: { x: 1 } }),
    target: '/a//b?x=1',
  },
  { name: 'odd queries', config: () => get('/s?&&a=b=c&=&%zz&b&a=1&') },
  {
    name: 'credentials in the URL',
    config: () => ({ url: `http://us%40er:p%C3%A4ss@127.0.0.1:${server.port}/s` }),
  },
  {
    name: 'credentials in the URL that are not escaped as they should be',
    config: () => ({ url: `http://us%er:p@127.0.0.1:${server.port}/s` }),
  },
  {
    name: 'basic authentication',
    config: () => get('/s', { auth: { username: 'user', password: 'secret' } }),
  },
  { name: 'HEAD', config: () => ({ method: 'head', url: '/s?x=1' }) },
  { name: 'OPTIONS', config: () => ({ method: 'options', url: '/s' }) },
  { name: 'DELETE', config: () => ({ method: 'delete', url: '/s/1' }), body: '' },
  {
    name: 'DELETE with a body',
    config: () => ({ method: 'delete', url: '/s/1', data: { hard: true } }),
    body: '{"hard":true}',
  },
  { name: 'GET with a body', config: () => ({ url: '/s', data: { q: 1 } }), body: '{"q":1}', httpOnly: true },
  {
    name: 'PATCH',
    config: () => ({ method: 'patch', url: '/s/1', data: { name: 'ü' } }),
    body: '{"name":"ü"}',
  },
  {
    name: 'PUT',
    config: () => ({ method: 'PUT', url: '/s/1', data: 'text', headers: { 'Content-Type': 'text/plain' } }),
    body: 'text',
  },
  {
    name: 'a JSON object',
    config: () => post({ a: [1, 'ü', null] }),
    body: '{"a":[1,"ü",null]}',
    contentType: 'application/json',
  },
  { name: 'a string', config: () => post('a=1&b=ü'), body: 'a=1&b=ü' },
  {
    name: 'a JSON string',
    config: () => post('"text"', { headers: { 'Content-Type': 'application/json' } }),
    body: '"text"',
  },
  {
    name: 'a lone surrogate',
    config: () => post('\ud800x', { headers: { 'Content-Type': 'text/plain' } }),
    body: '\ufffdx',
  },
  {
    name: 'a Buffer',
    config: () => post(Buffer.from([0, 1, 254, 255, 10])),
    body: Buffer.from([0, 1, 254, 255, 10]),
  },
  { name: 'an empty Buffer', config: () => post(Buffer.alloc(0)), body: '' },
  {
    name: 'an ArrayBuffer',
    config: () => post(new Uint8Array([9, 8, 7]).buffer),
    body: Buffer.from([9, 8, 7]),
  },
  {
    name: 'a view over a bigger buffer, of which axios sends the whole',
    config: () => post(new Uint8Array(bigger, 6, 13)),
    body: 'secret{"view":true}secret',
  },
  {
    name: 'a view that no transform has touched',
    config: () => post(new Uint8Array(bigger, 6, 13), { transformRequest: [(data: unknown) => data] }),
    body: '{"view":true}',
  },
  {
    name: 'URLSearchParams',
    config: () => post(new URLSearchParams({ b: '2 3', a: 'ü' })),
    body: 'b=2+3&a=%C3%BC',
    contentType: /^application\/x-www-form-urlencoded/,
  },
  {
    name: 'URLSearchParams that no transform has touched',
    config: () =>
      post(new URLSearchParams({ b: '2' }), {
        method: 'delete',
        transformRequest: [(data: unknown) => data],
      }),
    body: 'b=2',
    contentType: 'application/x-www-form-urlencoded;charset=utf-8',
  },
  {
    name: 'an object as an urlencoded form',
    config: () =>
      post({ a: { b: [1, 2] } }, { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }),
    body: /^a%5Bb%5D/,
  },
  {
    name: 'a FormData',
    config: () => post(nativeForm()),
    body: /Grüße/,
    contentType: /^multipart\/form-data; boundary=/,
  },
  {
    name: 'a FormData with a boundary of the caller',
    config: () =>
      post(nativeForm(), { headers: { 'Content-Type': 'multipart/form-data; boundary=0123456789' } }),
    body: /Grüße/,
    contentType: /^multipart\/form-data; boundary=/,
  },
  {
    name: "another library's FormData",
    config: () => post(new ForeignForm()),
    body: /filename="a.txt"[^]*abc/,
    contentType: /^multipart/,
  },
  {
    name: 'an object as a multipart form',
    config: () => post({ a: 1 }, { headers: { 'Content-Type': 'multipart/form-data' } }),
    contentType: /boundary=/,
  },
  {
    name: 'a form of the form-data package',
    config: () => post(packageForm()),
    body: /a study/,
    contentType: /^multipart\/form-data; ?boundary=/,
  },
  {
    name: 'a Blob',
    config: () => post(new Blob(['blob ü'], { type: 'text/plain' })),
    body: 'blob ü',
    contentType: 'text/plain',
  },
  {
    name: 'a File',
    config: () => post(new File(['file'], 'f.txt')),
    body: 'file',
    contentType: 'application/octet-stream',
  },
  { name: 'an empty Blob', config: () => post(new Blob([])), body: '' },
  {
    name: 'a stream of bytes',
    config: () => post(Readable.from([Buffer.from('one'), Buffer.from('two')])),
    body: 'onetwo',
  },
  { name: 'a stream of text', config: () => post(Readable.from(['eins', 'zwölf'])), body: 'einszwölf' },
  { name: 'an empty stream', config: () => post(Readable.from([])), body: '' },
  { name: 'a PassThrough', config: () => post(new PassThrough().end('passed')), body: 'passed' },
  { name: 'a web stream', config: () => post(new Blob(['web']).stream()), body: 'web' },
  {
    name: 'a stream beside a wrong Content-Length',
    config: () => post(Readable.from(['12345']), { headers: { 'Content-Length': '3' } }),
    body: '12345',
  },
  {
    name: 'a wrong Transfer-Encoding',
    config: () => post('12345', { headers: { 'Transfer-Encoding': 'chunked' } }),
    body: '12345',
  },
  {
    name: 'a Content-Length without a body',
    config: () => ({ method: 'delete', url: '/s', headers: { 'Content-Length': '3' } }),
    body: '',
  },
  ...[null, undefined, '', 0, false].map((data): Shape => ({
    name: `a body of ${JSON.stringify(data) ?? 'undefined'}`,
    config: () => post(data),
    body: '',
  })),
  {
    name: 'a JSON null',
    config: () => post(null, { headers: { 'Content-Type': 'application/json' } }),
    body: 'null',
  },
  {
    name: 'gzip of the caller',
    config: () =>
      post(gzipSync('{"a":1}'), {
        headers: { 'Content-Encoding': 'gzip', 'Content-Type': 'application/json' },
      }),
    body: gzipSync('{"a":1}'),
  },
  {
    name: 'gzip by an appended transformRequest',
    config: () =>
      post(
        { a: 1 },
        {
          transformRequest: [
            ...([axios.defaults.transformRequest].flat() as any[]),
            (data, headers) => {
              headers.set('Content-Encoding', 'gzip');
              return Buffer.isBuffer(data) ? data : gzipSync(data);
            },
          ],
        },
      ),
    body: gzipSync('{"a":1}'),
  },
  {
    name: 'stale and forged MAuth headers of the caller',
    config: () =>
      post(
        { a: 1 },
        {
          headers: {
            'x-mws-time': '1',
            'X-MWS-AUTHENTICATION': 'MWS x:y',
            'mcc-Time': '2',
            'MCC-Authentication': '',
          },
        },
      ),
  },
  { name: 'upload progress', config: () => post('x'.repeat(100_000), { onUploadProgress: () => undefined }) },
  { name: '5 MB', config: () => post(Buffer.alloc(5_000_000, 'x')) },
  { name: 'maxRedirects 3', config: () => post('x', { maxRedirects: 3 }), body: 'x' },
  { name: 'a timeout', config: () => post('x', { timeout: 20_000 }), body: 'x' },
  {
    name: 'interceptors before and after that change everything',
    config: () => post({ a: 1 }),
    prepare: (instance) =>
      instance.interceptors.request.use((config) => {
        config.params = { ...config.params, late: 'x y' };
        config.data = {
          ...(typeof config.data === 'string' ? JSON.parse(config.data) : config.data),
          late: true,
        };
        config.method = 'PUT';
        return config;
      }),
    finish: (instance) =>
      instance.interceptors.request.use((config) => {
        config.url = '/changed';
        return config;
      }),
    body: '{"a":1,"late":true}',
  },
  {
    name: 'an interceptor that chooses another adapter later',
    config: () => post({ a: 1 }),
    prepare: (instance) =>
      instance.interceptors.request.use((config) => {
        config.adapter = ['http'];
        return config;
      }),
    body: '{"a":1}',
  },
];

type AdapterName = 'http' | 'fetch' | 'function';

const byHand: AxiosRequestConfig['adapter'] = (config) => axios.request({ ...config, adapter: 'http' });

function client(shape: Shape, adapter: AdapterName): AxiosInstance {
  const instance = axios.create({
    baseURL: server.origin,
    adapter: adapter === 'function' ? byHand : adapter,
  });
  shape.prepare?.(instance);
  MAuthAxiosInterceptor.attach(instance, signer);
  shape.finish?.(instance);
  return instance;
}

function expectArrived(shape: Shape): void {
  const { body, contentType, target } = shape;
  const arrived = server.last;
  expectAuthentic(arrived, app);
  if (target !== undefined) expect(arrived.target).toBe(target);
  if (body instanceof RegExp) expect(arrived.body.toString()).toMatch(body);
  else if (body !== undefined)
    expect(arrived.body.toString('latin1')).toBe(Buffer.from(body).toString('latin1'));
  if (contentType instanceof RegExp) expect(arrived.headers['content-type']).toMatch(contentType);
  else if (contentType !== undefined) expect(arrived.headers['content-type']).toBe(contentType);
}

describe.each<AdapterName>(['http', 'fetch', 'function'])(
  'What axios sends with its %s adapter is signed',
  (adapter) => {
    const possible = shapes.filter(({ httpOnly }) => !(httpOnly && adapter === 'fetch'));

    describe.each(possible.map((shape) => [shape.name, shape] as const))('with %s', (_name, shape) => {
      it('on the first attempt', async () => {
        const response = await client(shape, adapter).request(shape.config());
        expect(response.status).toBe(200);
        expect(server.requests).toHaveLength(1);
        expectArrived(shape);
      });

      it('after a redirect within the origin', async () => {
        server.answer(redirectTo(307, '/moved/to?now=1'));
        await client(shape, adapter).request(shape.config());
        expect(server.requests).toHaveLength(2);
        const [first, second] = server.requests;
        expectAuthentic(first, app);
        expectAuthentic(second, app);
        expect(second).toMatchObject({ method: first.method, target: '/moved/to?now=1' });
        expect(second.body.equals(first.body)).toBe(true);
        expect(second.headers['content-type']).toBe(first.headers['content-type']);
      });

      it('after a failed attempt whose config is sent again', async () => {
        server.answer(answerWith(503));
        const instance = client(shape, adapter);
        const error = await instance.request(shape.config()).catch((reason: unknown) => reason);
        if (!axios.isAxiosError(error) || !error.config) throw error;
        await instance.request(error.config);
        expect(server.requests).toHaveLength(2);
        expectSentAgain();
      });

      it('after a successful attempt whose config is sent again', async () => {
        const instance = client(shape, adapter);
        const response = await instance.request(shape.config());
        await instance.request(response.config);
        expectSentAgain();
      });

      function expectSentAgain(): void {
        const [first, second] = server.requests;
        expectAuthentic(second, app);
        const isRandom =
          shape.name.includes('Form') || shape.name.includes('multipart') || shape.name.includes('counter');
        if (!isRandom) {
          expect(second).toMatchObject({ method: first.method, target: first.target });
          expect(second.body.equals(first.body)).toBe(true);
        }
        expect(second.body.length).toBe(first.body.length);
        const [type, boundary] = (second.headers['content-type'] ?? '').split(/; ?boundary=/);
        expect(first.headers['content-type'] ?? '').toMatch(type);
        if (boundary !== undefined)
          expect(second.body.toString('latin1').startsWith(`--${boundary}\r\n`)).toBe(true);
      }
    });
  },
);
