import axios, { type AxiosError, type AxiosRequestConfig } from 'axios';
import { createRequire } from 'node:module';
import { type Readable } from 'node:stream';
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
const other = new RecordingServer(app);
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });

beforeAll(() => Promise.all([server.start(), other.start()]));
afterAll(() => Promise.all([server.stop(), other.stop()]));
beforeEach(() => {
  server.reset();
  other.reset();
});

const ADAPTERS = ['http', 'fetch'] as const;

describe.each(ADAPTERS)('Redirects, with the %s adapter', (adapter) => {
  const client = (config: AxiosRequestConfig = {}, signedOrigins?: string[]) => {
    const instance = axios.create({ baseURL: server.origin, adapter, ...config });
    MAuthAxiosInterceptor.attach(instance, signer, { signedOrigins });
    return instance;
  };

  const failure = (request: Promise<unknown>): Promise<AxiosError> =>
    request.then(
      () => Promise.reject(new Error('The request should have failed.')),
      (error: AxiosError) => error,
    );

  describe.each([
    [301, 'post', 'GET'],
    [301, 'put', 'PUT'],
    [302, 'post', 'GET'],
    [302, 'patch', 'PATCH'],
    [302, 'get', 'GET'],
    [303, 'post', 'GET'],
    [303, 'delete', 'GET'],
    [303, 'head', 'HEAD'],
    [307, 'post', 'POST'],
    [307, 'delete', 'DELETE'],
    [308, 'post', 'POST'],
    [308, 'get', 'GET'],
  ])('at %i', (status, method, followedBy) => {
    const hasBody = !['get', 'head'].includes(method);
    const keepsBody = hasBody && method.toUpperCase() === followedBy;
    const request = { method, url: '/from', ...(hasBody && { data: { a: 1 } }) };

    it(`${method.toUpperCase()} goes on as ${followedBy} within the origin, signed afresh`, async () => {
      server.answer(redirectTo(status, 'to?x=1'));
      const response = await client().request({
        ...request,
        headers: { 'X-Own': 'kept', 'Content-Language': 'de' },
      });
      expect(response.status).toBe(200);
      const [first, second] = server.requests;
      expectAuthentic(first, app);
      expectAuthentic(second, app);
      expect(second).toMatchObject({ method: followedBy, target: '/to?x=1' });
      expect(second.body.toString()).toBe(keepsBody ? '{"a":1}' : '');
      expect(second.headers['x-own']).toBe('kept');
      if (hasBody) expect(second.headers['content-language']).toBe(keepsBody ? 'de' : undefined);
    });

    it(`${method.toUpperCase()} goes on to another origin without any MAuth header or credentials`, async () => {
      server.answer(redirectTo(status, `${other.origin}/to`));
      await client({}, [server.origin, other.origin]).request({
        ...request,
        headers: {
          Cookie: 'a=b',
          Authorization: 'Bearer secret',
          'Proxy-Authorization': 'x',
          'X-MWS-Time': '1',
        },
      });
      expectAuthentic(server.last, app);
      expect(other.requests).toHaveLength(1);
      expect(mauthHeaders(other.last)).toEqual([]);
      expect(other.last).toMatchObject({ method: followedBy, target: '/to' });
      expect(other.last.body.toString()).toBe(keepsBody ? '{"a":1}' : '');
      expect(other.last.headers).not.toHaveProperty('authorization');
      expect(other.last.headers).not.toHaveProperty('cookie');
      expect(other.last.headers).not.toHaveProperty('proxy-authorization');
    });
  });

  it('another name or scheme of the same host is another origin', async () => {
    server.answer(redirectTo(307, `http://localhost:${other.port}/to`));
    await client().get('/from');
    expect(mauthHeaders(other.last)).toEqual([]);
  });

  it('a chain that has left the origin and comes back is not signed again', async () => {
    server.answer(redirectTo(307, `${other.origin}/away`));
    other.answer(redirectTo(307, `${server.origin}/admin/delete-everything`));
    await client().get('/from', { auth: { username: 'user', password: 'secret' } });
    expect(server.requests.map(({ target }) => target)).toEqual(['/from', '/admin/delete-everything']);
    expectAuthentic(server.requests[0], app);
    expect(mauthHeaders(server.last)).toEqual([]);
    expect(server.last.headers).not.toHaveProperty('authorization');
  });

  it('a chain that has left the origin is not signed for the next one either, however long it stays there', async () => {
    server.answer(redirectTo(307, `${other.origin}/away`));
    other.answer(redirectTo(307, '/there'), redirectTo(307, '/and-there'));
    await client().get('/from');
    expect(other.requests.map(({ target }) => target)).toEqual(['/away', '/there', '/and-there']);
    expect(other.requests.flatMap(mauthHeaders)).toEqual([]);
  });

  it('an origin that is not signed cannot have a request to a signed one signed', async () => {
    other.answer(redirectTo(307, `${server.origin}/admin`));
    await client({}, [server.origin]).post(`${other.origin}/from`, 'x', { headers: { 'MCC-Time': '1' } });
    expect(mauthHeaders(other.last)).toEqual([]);
    expect(server.last).toMatchObject({ method: 'POST', target: '/admin' });
    expect(mauthHeaders(server.last)).toEqual([]);
  });

  it('several redirects are each signed with their own target, relative ones resolved against the last', async () => {
    server.answer(
      redirectTo(301, '/a/b/'),
      redirectTo(302, '../c?x=%7e'),
      redirectTo(308, `${server.origin}/d#part`),
    );
    const response = await client().get('/from');
    expect(server.requests.map(({ target }) => target)).toEqual(['/from', '/a/b/', '/a/c?x=%7e', '/d']);
    for (const request of server.requests) expectAuthentic(request, app);
    expect(response.config.url).toBe('/from');
  });

  it('basic authentication stays within the origin, whether from `auth` or from the URL', async () => {
    server.answer(redirectTo(307, '/to'), redirectTo(307, `${server.origin}/end`));
    const authorization = `Basic ${Buffer.from('us:er').toString('base64')}`;
    await client().get('/from', { auth: { username: 'us', password: 'er' } });
    server.answer(redirectTo(307, '/to'), redirectTo(307, `${server.origin}/end`));
    await client().get(`http://us:er@127.0.0.1:${server.port}/from`);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(Array(6).fill(authorization));
  });

  it('a Host header of the caller is not carried along', async () => {
    server.answer(redirectTo(307, '/to'));
    await client().get('/from', { headers: { Host: 'virtual.example' } });
    if (adapter === 'http') expect(server.requests[0].headers.host).toBe('virtual.example');
    expect(server.last.headers.host).toBe(`127.0.0.1:${server.port}`);
  });

  it('`sensitiveHeaders` are held back from another origin, and kept within this one', async () => {
    const config = { headers: { 'X-Secret': '1' }, sensitiveHeaders: ['x-SECRET'] } as AxiosRequestConfig;
    server.answer(redirectTo(307, '/to'), redirectTo(307, `${other.origin}/to`));
    await client().get('/from', config);
    expect(server.last.headers['x-secret']).toBe('1');
    expect(other.last.headers).not.toHaveProperty('x-secret');
  });

  it('`maxRedirects` are followed, one more is refused as axios does', async () => {
    server.answer(redirectTo(302, '/1'), redirectTo(302, '/2'));
    expect((await client().get('/0', { maxRedirects: 2 })).status).toBe(200);
    server.answer(redirectTo(302, '/1'), redirectTo(302, '/2'));
    const error = await failure(client().get('/0', { maxRedirects: 1 }));
    expect(error).toBeInstanceOf(axios.AxiosError);
    expect(error).toMatchObject({
      code: 'ERR_FR_TOO_MANY_REDIRECTS',
      config: { url: '/0', baseURL: server.origin },
    });
  });

  it('a circle ends', async () => {
    server.answer(...Array.from({ length: 40 }, () => redirectTo(302, '/round')));
    expect(await failure(client().get('/round'))).toMatchObject({ code: 'ERR_FR_TOO_MANY_REDIRECTS' });
    expect(server.requests).toHaveLength(22);
  });

  it('none is followed with `maxRedirects: 0`; `validateStatus` decides', async () => {
    server.answer(redirectTo(302, '/to'), redirectTo(302, '/to'));
    const error = await failure(client().get('/from', { maxRedirects: 0 }));
    expect(error).toMatchObject({ response: { status: 302 }, config: { url: '/from' } });
    const response = await client().get('/from', {
      maxRedirects: 0,
      validateStatus: (status) => status === 302,
    });
    expect(response.headers.location).toBe('/to');
    expect(server.requests).toHaveLength(2);
    for (const request of server.requests) expectAuthentic(request, app);
  });

  it.each([
    ['refused', undefined, true],
    ['accepted', (status: number) => status === 304, false],
    ['accepted', null, false],
  ])(
    'an answer that names no location is %s by `validateStatus`',
    async (_name, validateStatus, isRefused) => {
      server.answer(answerWith(304));
      const request = client().get('/from', validateStatus === undefined ? {} : { validateStatus });
      if (isRefused)
        expect(await failure(request)).toMatchObject({ response: { status: 304 }, config: { url: '/from' } });
      else expect(await request).toMatchObject({ status: 304, config: { url: '/from' } });
    },
  );

  it('a failing answer behind a redirect is an AxiosError with the config of the caller', async () => {
    server.answer(
      redirectTo(307, '/to'),
      answerWith(404, { 'Content-Type': 'application/json' }, '{"missing":true}'),
    );
    const error = await failure(client().post('/from', { a: 1 }, { params: { x: 1 } }));
    expect(error).toBeInstanceOf(axios.AxiosError);
    expect(error).toMatchObject({
      status: 404,
      response: { data: { missing: true }, config: { url: '/from', params: { x: 1 } } },
      config: { url: '/from', params: { x: 1 }, baseURL: server.origin, data: '{"a":1}' },
    });
    expect(JSON.stringify(error.config?.headers)).not.toMatch(/mws|mcc/i);
  });

  it.each([
    ['another protocol', 'ftp://127.0.0.1/x'],
    ['no URL', 'http://['],
  ])('a location of %s fails', async (_name, location) => {
    server.answer(redirectTo(302, location));
    expect(await failure(client().get('/from'))).toMatchObject({ code: 'ERR_FR_REDIRECTION_FAILURE' });
    expect(server.requests).toHaveLength(1);
  });

  describe('`beforeRedirect`', () => {
    it('is told of the redirect, and what it changes is what is signed and sent', async () => {
      const calls: unknown[] = [];
      server.answer(redirectTo(307, '/to'));
      await client().post('/from', 'body', {
        headers: { 'X-Own': '1' },
        beforeRedirect: (options, response, request) => {
          calls.push([
            options.href,
            options.method,
            response.statusCode,
            response.headers.location,
            request.url,
            request.method,
          ]);
          options.headers['X-Own'] = '2';
          options.headers['MCC-Time'] = '1';
          options.path = '/changed?x=1';
        },
      });
      expect(calls).toEqual([[`${server.origin}/to`, 'POST', 307, '/to', `${server.origin}/from`, 'POST']]);
      expect(server.last.target).toBe('/changed?x=1');
      expect(server.last.headers['x-own']).toBe('2');
      expectAuthentic(server.last, app);
    });

    it('can lead to another origin, unsigned', async () => {
      server.answer(redirectTo(307, '/to'));
      const beforeRedirect = (options: Record<string, any>) => {
        options.port = other.port;
        options.headers['mcc-time'] = '1';
      };
      await client().get('/from', { beforeRedirect });
      expect(other.last.target).toBe('/to');
      expect(mauthHeaders(other.last)).toEqual([]);
    });

    it('can replace the credentials', async () => {
      server.answer(redirectTo(307, '/to'), redirectTo(307, '/end'));
      const seen: unknown[] = [];
      const beforeRedirect = (options: Record<string, any>) => {
        seen.push(options.auth);
        options.auth = options.auth === 'us:er' ? 'other:a:b' : undefined;
      };
      await client().get('/from', { auth: { username: 'us', password: 'er' }, beforeRedirect });
      expect(seen).toEqual(['us:er', 'other:a:b']);
      expect(server.requests[1].headers.authorization).toBe(`Basic ${btoa('other:a:b')}`);
      expect(server.last.headers).not.toHaveProperty('authorization');
      expectAuthentic(server.last, app);
    });

    it('can stop it', async () => {
      server.answer(redirectTo(307, '/to'));
      const beforeRedirect = () => {
        throw new Error('not there');
      };
      const error = await failure(client().get('/from', { beforeRedirect }));
      expect(error).toBeInstanceOf(axios.AxiosError);
      expect(error).toMatchObject({
        code: 'ERR_FR_REDIRECTION_FAILURE',
        message: expect.stringContaining('not there'),
      });
    });
  });

  it('a streamed answer comes from the end of the chain', async () => {
    server.answer(redirectTo(307, '/to'));
    const response = await client().get<Readable>('/from', { responseType: 'stream' });
    const chunks: Buffer[] = [];
    for await (const chunk of response.data) chunks.push(Buffer.from(chunk));
    expect(Buffer.concat(chunks).toString()).toBe('received');
  });

  it('the time-out covers the whole chain', async () => {
    const slowly = (location: string) => (response: any) =>
      setTimeout(() => redirectTo(307, location)(response, server.last), 80);
    server.answer(...Array.from({ length: 20 }, (_, index) => slowly(`/${index}`)));
    const started = Date.now();
    const error = await failure(client({ timeout: 300 }).get('/from'));
    expect(error.code).toMatch(/^(ECONNABORTED|ETIMEDOUT)$/);
    if (adapter === 'http') expect(error.message).toBe('timeout of 300ms exceeded');
    expect(Date.now() - started).toBeLessThan(1500);
  });

  it('an abort stops the chain', async () => {
    const controller = new AbortController();
    server.answer((response, request) => {
      redirectTo(307, '/to')(response, request);
      controller.abort();
    });
    const error = await failure(client().get('/from', { signal: controller.signal }));
    expect(axios.isCancel(error)).toBe(true);
    expect(server.requests).toHaveLength(1);
  });
});

describe('Redirects', () => {
  const signed = (config: AxiosRequestConfig = {}) => {
    const instance = axios.create({ baseURL: server.origin, ...config });
    MAuthAxiosInterceptor.attach(instance, signer);
    return instance;
  };

  it('are noted in the answer as follow-redirects notes them', async () => {
    server.answer(redirectTo(307, '/to?x=1'));
    const response = await signed().get('/from');
    expect(response.request.res.responseUrl).toBe(`${server.origin}/to?x=1`);
  });

  it('are not followed by a transport of the caller with the signature of another request', async () => {
    const { http } = createRequire(createRequire(__filename).resolve('axios'))('follow-redirects');
    server.answer(redirectTo(307, `${other.origin}/to`));
    await signed({ transport: http }).get('/from');
    expectAuthentic(server.last, app);
    expect(mauthHeaders(other.last)).toEqual([]);
  });

  it('are not followed by fetch where `fetchOptions` say so', async () => {
    server.answer(redirectTo(302, '/to'), redirectTo(302, '/to'));
    const accept = { validateStatus: null, adapter: 'fetch' } as const;
    for (const redirect of ['manual', 'error'] as const) {
      const response = await signed(accept).get('/from', { fetchOptions: { redirect } });
      expect(response.status).toBe(302);
    }
  });

  it('are left to no adapter', async () => {
    const seen: unknown[] = [];
    const adapter: AxiosRequestConfig['adapter'] = ({
      maxRedirects,
      beforeRedirect,
      fetchOptions,
      ...config
    }) => {
      seen.push({ maxRedirects, beforeRedirect, fetchOptions });
      return axios.request({ ...config, adapter: 'http' });
    };
    const fetchOptions = { keepalive: true, redirect: 'follow', method: 'PUT', body: 'x', headers: {} };
    await signed({ adapter }).get('/', {
      beforeRedirect: () => undefined,
      fetchOptions,
    } as AxiosRequestConfig);
    const expected = {
      maxRedirects: 0,
      beforeRedirect: undefined,
      fetchOptions: { keepalive: true, redirect: 'manual' },
    };
    expect(seen).toEqual([expected]);
  });

  it('of an adapter that judges no status are followed too', async () => {
    server.answer(redirectTo(302, '/to'), redirectTo(302, 'http://['));
    const adapter: AxiosRequestConfig['adapter'] = (config) =>
      axios.request({ ...config, adapter: 'http', validateStatus: null });
    await expect(signed({ adapter }).get('/from')).rejects.toMatchObject({
      code: 'ERR_FR_REDIRECTION_FAILURE',
    });
    expect(server.requests.map(({ target }) => target)).toEqual(['/from', '/to']);
  });
});
