import { HttpService } from '@nestjs/axios';
import axios, { AxiosHeaders, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import { Readable } from 'node:stream';
import { MAuthConfigurationError } from '../../lib/config/errors.js';
import { MAuthAxiosInterceptor, signAxios } from '../../lib/outbound/axios/sign-axios.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { createTestApp } from '../support/test-app.js';
import { answerWith, expectAuthentic, mauthHeaders, RecordingServer } from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const other = new RecordingServer(app);

beforeAll(() => Promise.all([server.start(), other.start()]));
afterAll(() => Promise.all([server.stop(), other.stop()]));
beforeEach(() => {
  server.reset();
  other.reset();
});

function newSigner() {
  return new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });
}

function newClient(config?: AxiosRequestConfig): AxiosInstance {
  return axios.create({ baseURL: server.origin, ...config });
}

describe('MAuthAxiosInterceptor', () => {
  it('signs what an axios instance sends from then on, until it is detached', async () => {
    const client = newClient();
    await client.get('/before');
    const detach = signAxios(client, newSigner());
    await client.get('/attached');
    detach();
    detach();
    await client.get('/after');
    const [before, attached, after] = server.requests;
    expectAuthentic(attached, app);
    expect([...mauthHeaders(before), ...mauthHeaders(after)]).toEqual([]);
  });

  it('signs what an HttpService sends', async () => {
    const client = newClient();
    signAxios(new HttpService(client as never), newSigner());
    await client.get('/');
    expectAuthentic(server.last, app);
  });

  it('sets exactly the headers of the versions that the signer signs', async () => {
    const names = { v1: ['x-mws-authentication', 'x-mws-time'], v2: ['mcc-authentication', 'mcc-time'] };
    for (const signVersions of ['v1', 'v2'] as const) {
      const client = newClient({ headers: { 'X-MWS-Time': '1', 'MCC-Time': '1' } });
      const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions });
      signAxios(client, signer);
      await client.post('/', 'x');
      expect(server.last[signVersions].authentic).toBe(true);
      expect(mauthHeaders(server.last).sort()).toEqual(names[signVersions]);
    }
  });

  it('is attached once, however often the same signer is attached', async () => {
    const client = newClient();
    const signer = newSigner();
    const signRequest = jest.spyOn(signer, 'signRequest');
    const detach = signAxios(client, signer, { signedOrigins: [server.origin] });
    const options = { signedOrigins: [server.origin] };
    expect(signAxios(client, signer, options)).toBe(detach);
    expect(MAuthAxiosInterceptor.attach(client, signer, options)).toBe(detach);
    await client.get('/');
    expect(signRequest).toHaveBeenCalledTimes(1);
    detach();
    await client.get('/');
    expect(mauthHeaders(server.last)).toEqual([]);
  });

  it('refuses a second signer, or other options, until the first is detached', async () => {
    const client = newClient();
    const signer = newSigner();
    const detach = signAxios(client, signer);
    expect(() => signAxios(client, newSigner())).toThrow(MAuthConfigurationError);
    expect(() => signAxios(client, signer, { maxStreamBytes: 1 })).toThrow(/detach/);
    detach();
    const next = signAxios(client, newSigner());
    detach();
    expect(() => signAxios(client, newSigner())).toThrow(MAuthConfigurationError);
    next();
  });

  it('signs a repeated request once, by the signer that is attached now', async () => {
    const client = newClient();
    const [first, second] = [newSigner(), newSigner()];
    const calls = [jest.spyOn(first, 'signRequest'), jest.spyOn(second, 'signRequest')];
    const detach = signAxios(client, first);
    let { config } = await client.post('/', { a: 1 });
    detach();
    signAxios(client, second);
    for (let repeated = 0; repeated < 3; repeated++) ({ config } = await client.request(config));
    expect(calls.map(({ mock }) => mock.calls.length)).toEqual([1, 3]);
    for (const request of server.requests) expectAuthentic(request, app);
  });

  it('signs a request that another instance repeats with its config', async () => {
    const client = newClient();
    signAxios(client, newSigner());
    server.answer(answerWith(503));
    const { config } = await client.post('/', Readable.from(['stream'])).catch((error) => error);
    await axios.create().request(config);
    expectAuthentic(server.last, app);
    expect(server.last.body.toString()).toBe('stream');
  });

  it('signs what a response interceptor repeats, each time with the time of that attempt', async () => {
    let now = Date.now() - 10_000;
    const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, now: () => now });
    const client = newClient();
    signAxios(client, signer);
    client.interceptors.response.use(undefined, (error) => {
      now += 5_000;
      return client.request(error.config);
    });
    server.answer(answerWith(503), answerWith(503));
    await client.put('/', { a: 1 });
    const times = server.requests.map(({ headers }) => Number(headers['x-mws-time']));
    expect(times.map((time) => time - times[0])).toEqual([0, 5, 10]);
    for (const request of server.requests) expect(request.v1.authentic).toBe(true);
  });

  it.each([true, false])(
    'signs last, with legacyInterceptorReqResOrdering %s',
    async (legacyInterceptorReqResOrdering) => {
      const client = newClient({ transitional: { legacyInterceptorReqResOrdering } });
      const change = (name: string) => (config: any) => {
        config.headers.set('MCC-Time', '1');
        config.params = { ...config.params, [name]: name };
        config.data = { ...config.data, [name]: name };
        return config;
      };
      client.interceptors.request.use(change('before'));
      signAxios(client, newSigner());
      client.interceptors.request.use(change('after'));
      await client.post('/', {});
      expect(JSON.parse(server.last.body.toString())).toEqual({ before: 'before', after: 'after' });
      expectAuthentic(server.last, app);
    },
  );

  describe('signs what an interceptor makes of the request', () => {
    const stale = {
      'MCC-Time': '1',
      'mcc-authentication': 'MWSV2 stale;',
      'x-mws-authentication': 'MWS stale',
    };
    const adapters: [string, AxiosRequestConfig['adapter']][] = [
      ['a function', (config) => axios.getAdapter('http')(config)],
      ['a name', 'fetch'],
      ['a list', ['xhr', (config) => axios.getAdapter('http')(config)]],
      ['none', undefined],
    ];
    type Change = (config: any, adapter: AxiosRequestConfig['adapter']) => any;
    const changes: [string, Change][] = [
      [
        'another config',
        (config, adapter) => ({ ...config, headers: { ...config.headers, ...stale }, adapter }),
      ],
      [
        'a config of its own',
        ({ baseURL, method, data }, adapter) => ({
          baseURL,
          url: '/',
          method,
          data,
          headers: stale,
          adapter,
        }),
      ],
      [
        'a frozen config',
        (config, adapter) => Object.freeze({ ...config, headers: new AxiosHeaders(stale), adapter }),
      ],
      [
        'a config without prototype',
        (config, adapter) => Object.assign(Object.create(null), config, { adapter }),
      ],
      ['the config, later', async (config, adapter) => Object.assign(config, { adapter })],
      ['the config, with another adapter', (config, adapter) => Object.assign(config, { adapter })],
    ];

    describe.each(changes)('%s', (name, change) => {
      it.each(adapters)('with an adapter that is %s', async (_kind, adapter) => {
        for (const legacyInterceptorReqResOrdering of [true, false]) {
          for (const isEarlier of [true, false]) {
            for (const synchronous of name === 'the config, later' ? [false] : [true, false]) {
              const client = newClient({ transitional: { legacyInterceptorReqResOrdering } });
              const use = () =>
                client.interceptors.request.use((config) => change(config, adapter), undefined, {
                  synchronous,
                });
              if (isEarlier) use();
              const detach = signAxios(client, newSigner());
              if (!isEarlier) use();
              await client.post('/', '{"a":1}');
              expectAuthentic(server.last, app);
              detach();
              await client.post('/', '{"a":1}');
              expect(server.last.v2.authentic).toBe(false);
            }
          }
        }
      });
    });

    it('after another one has failed', async () => {
      const client = newClient();
      const own = { url: `${server.origin}/own`, method: 'get', headers: stale, adapter: 'fetch' };
      client.interceptors.request.use(undefined, () => own as never);
      client.interceptors.request.use(() => {
        throw new Error('not so');
      });
      signAxios(client, newSigner());
      await client.get('/');
      expect(server.last.target).toBe('/own');
      expectAuthentic(server.last, app);
    });

    it('and what a transform makes of it, which is listed as the caller has listed it', async () => {
      const transform = function (this: any, data: string) {
        this.adapter = axios.getAdapter('http');
        return `${data}!`;
      };
      for (const transformRequest of [transform, [transform], undefined]) {
        const client = newClient();
        signAxios(client, newSigner());
        const { config } = await client.post('/', 'a', { transformRequest });
        const { config: again } = await client.request(config);
        const listed = [transformRequest ?? axios.defaults.transformRequest].flat();
        expect([config.transformRequest, again.transformRequest]).toEqual([listed, listed]);
        expectAuthentic(server.last, app);
        expect(server.last.body.toString()).toBe(transformRequest ? 'a!!' : 'a');
      }
    });

    it('although all interceptors are cleared', async () => {
      const client = newClient();
      const detach = signAxios(client, newSigner());
      client.interceptors.request.clear();
      client.interceptors.response.clear();
      await client.get('/');
      expectAuthentic(server.last, app);
      detach();
      await client.get('/');
      expect(mauthHeaders(server.last)).toEqual([]);
    });

    it('and leaves it to axios to say that it is nothing', async () => {
      const client = newClient();
      client.interceptors.request.use(() => undefined as never);
      signAxios(client, newSigner());
      await expect(client.get('/')).rejects.toBeInstanceOf(TypeError);
      expect(server.requests).toEqual([]);
    });

    it('unless that one is ejected, or says that it does not run', async () => {
      const client = newClient();
      signAxios(client, newSigner());
      const ran: string[] = [];
      const note = (name: string) => (config: any) => {
        ran.push(name);
        return config;
      };
      const id = client.interceptors.request.use(note('ejected'));
      client.interceptors.request.use(note('skipped'), undefined, { runWhen: () => false });
      client.interceptors.request.use(note('kept'));
      client.interceptors.request.eject(id);
      await client.get('/');
      expect(ran).toEqual(['kept']);
      expectAuthentic(server.last, app);
    });
  });

  it('lets each transform run once', async () => {
    const client = newClient();
    signAxios(client, newSigner());
    const { data } = await client.post('/', 'sent', {
      transformRequest: (body: string) => `${body}!`,
      transformResponse: (body: string) => `${body}?`,
    });
    expect([server.last.body.toString(), data]).toEqual(['sent!', 'received?']);
    expectAuthentic(server.last, app);
  });

  it('leaves the config as interceptors, errors and answers know it', async () => {
    const client = newClient();
    signAxios(client, newSigner());
    const { config } = await client.post(
      '/a',
      { a: 1 },
      { params: { b: 2 }, maxRedirects: 5, timeout: 9_000 },
    );
    expect(config).toMatchObject({
      baseURL: server.origin,
      url: '/a',
      method: 'post',
      params: { b: 2 },
      data: '{"a":1}',
      maxRedirects: 5,
      timeout: 9_000,
    });
    expect(Object.keys(config.headers).filter((name) => /mws|mcc|length/i.test(name))).toEqual([]);
  });

  it.each([-1, 1.5, NaN, '5'])('refuses %p for maxStreamBytes', (maxStreamBytes) => {
    const attach = () => signAxios(newClient(), newSigner(), { maxStreamBytes: maxStreamBytes as number });
    expect(attach).toThrow(/http\.maxStreamBytes/);
  });
});

describe('`signedOrigins`', () => {
  function signedFor(signedOrigins: string[]): AxiosInstance {
    const client = newClient();
    signAxios(client, newSigner(), { signedOrigins });
    return client;
  }

  it('are signed; to any other origin no MAuth header goes, not even one that the caller has set', async () => {
    const client = signedFor([server.origin]);
    const headers = {
      'x-mws-authentication': 'MWS x:y',
      'X-MWS-TIME': '1',
      'MCC-Authentication': 'x',
      'mcc-time': '2',
    };
    await client.post('/', { a: 1 }, { headers });
    const response = await client.post(`${other.origin}/b?x=1`, Readable.from(['stream']), { headers });
    expectAuthentic(server.last, app);
    expect(mauthHeaders(other.last)).toEqual([]);
    expect(other.last).toMatchObject({ method: 'POST', target: '/b?x=1' });
    expect(other.last.body.toString()).toBe('stream');
    expect(response.config.url).toBe(`${other.origin}/b?x=1`);
  });

  it('are compared with the URL that is really requested', async () => {
    const client = signedFor([server.origin]);
    await client.get(`http://127.0.0.1:${server.port}@127.0.0.1:${other.port}/`);
    await client.get(`http://localhost:${other.port}/#${server.origin}`);
    await client.get('/', { baseURL: other.origin });
    expect(other.requests.flatMap(mauthHeaders)).toEqual([]);
    expect(other.requests).toHaveLength(3);
    await client.get(`HTTP://127.0.0.1:${server.port}/x`);
    expectAuthentic(server.last, app);
  });

  it('may be written with a final slash, upper case or the port of the scheme', async () => {
    const client = signedFor([`HTTP://127.0.0.1:${server.port}/`, 'https://EXAMPLE.com:443']);
    await client.get('/');
    expectAuthentic(server.last, app);
  });

  it.each<[string, unknown]>([
    ['an empty list', []],
    ['text', 'https://example.com'],
    ['a host', ['example.com']],
    ['a host and port', ['localhost:3000']],
    ['a path', ['https://example.com/api']],
    ['a query', ['https://example.com?x=1']],
    ['credentials', ['https://user:secret@example.com']],
    ['a wildcard', ['*']],
    ['another scheme', ['ftp://example.com']],
    ['a number', [1]],
    ['null', null],
  ])('refuse %s, without showing it', (_name, signedOrigins) => {
    const attach = () => signedFor(signedOrigins as string[]);
    expect(attach).toThrow(MAuthConfigurationError);
    expect(attach).toThrow(/http\.signedOrigins/);
    expect(attach).not.toThrow(/secret/);
  });
});
