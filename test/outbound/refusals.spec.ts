import { HttpException } from '@nestjs/common';
import axios, { type AxiosRequestConfig } from 'axios';
import FormDataPackage from 'form-data';
import { createReadStream } from 'node:fs';
import { type EventEmitter } from 'node:events';
import { Readable, Stream } from 'node:stream';
import { MAuthConfigurationError, MAuthUnableToSignError } from '../../lib/config/errors.js';
import { MAuthAxiosInterceptor } from '../../lib/outbound/axios/sign-axios.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { createTestApp } from '../support/test-app.js';
import { expectAuthentic, RecordingServer } from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => server.reset());

const LIMIT = 1000;
const untouched: AxiosRequestConfig = { transformRequest: [(data: unknown) => data] };

function client(by: Pick<MAuthSigner, 'signRequest'> = signer) {
  const instance = axios.create({ baseURL: server.origin });
  MAuthAxiosInterceptor.attach(instance, by, { maxStreamBytes: LIMIT });
  return instance;
}

function failure(request: Promise<unknown>): Promise<any> {
  return request.then(
    () => Promise.reject(new Error('The request should have failed.')),
    (error: unknown) => error,
  );
}

async function readThrough(stream: Readable): Promise<Readable> {
  for await (const _chunk of stream);
  return stream;
}

function destroyed(): Readable {
  const stream = Readable.from(['x']);
  stream.destroy();
  return stream;
}

async function readWebStream(): Promise<ReadableStream> {
  const stream = new Blob(['x']).stream();
  const reader = stream.getReader();
  while (!(await reader.read()).done);
  reader.releaseLock();
  return stream;
}

function lockedWebStream(): ReadableStream {
  const stream = new Blob(['x']).stream();
  stream.getReader();
  return stream;
}

/** A stream of the first kind, which can be piped and nothing else. */
class OldStream extends Stream {
  readable = true;

  constructor(private readonly feed: (stream: EventEmitter) => void) {
    super();
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    setImmediate(() => this.feed(this));
    return super.pipe(destination);
  }
}

function oversizedForm(): FormData {
  const form = new FormData();
  form.append('text', 'x'.repeat(500));
  form.append('file', new Blob(['x'.repeat(501)]));
  return form;
}

function failing(): Readable {
  return Readable.from(
    (async function* () {
      yield 'begun';
      throw new Error('disk failure');
    })(),
  );
}

function cutShort(): Readable {
  const stream = new Readable({ read: () => undefined });
  stream.push('begun');
  setImmediate(() => stream.destroy());
  return stream;
}

describe('A request whose body cannot be known is not sent', () => {
  it.each<[string, string, () => unknown]>([
    ['a stream that has been read', 'body_consumed', () => readThrough(Readable.from(['x']))],
    ['a stream that has been closed', 'body_consumed', destroyed],
    ['a web stream that has been read', 'body_consumed', readWebStream],
    ['a web stream that somebody else reads', 'body_consumed', lockedWebStream],
    ['a stream above the limit', 'body_too_large', () => Readable.from(['x'.repeat(999), 'yz'])],
    ['an endless stream', 'body_too_large', () => createReadStream('/dev/zero')],
    ['a web stream above the limit', 'body_too_large', () => new Blob(['x'.repeat(LIMIT + 1)]).stream()],
    ['a Blob above the limit', 'body_too_large', () => new Blob(['x'.repeat(LIMIT + 1)])],
    ['a form above the limit', 'body_too_large', oversizedForm],
    ['a stream of objects', 'body_unsupported', () => Readable.from([{ a: 1 }])],
    ['a stream that fails', 'body_unreadable', failing],
    ['a stream that is cut short', 'body_unreadable', cutShort],
    [
      'an old stream that fails',
      'body_unreadable',
      () => new OldStream((stream) => stream.emit('error', new Error('x'))),
    ],
    [
      'an old stream that is cut short',
      'body_unreadable',
      () => new OldStream((stream) => stream.emit('close')),
    ],
  ])('%s: %s', async (_name, code, data) => {
    const error = await failure(client().post('/', await data()));
    expect(error).toBeInstanceOf(MAuthUnableToSignError);
    expect(error).not.toBeInstanceOf(HttpException);
    expect(error.code).toBe(code);
    expect(server.requests).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['an object', { a: 1 }],
    ['a number', 5],
    ['true', true],
    ['a function', () => 'x'],
    ['a symbol', Symbol('x')],
  ])('%s that no transform has made text of: body_unsupported', async (_name, data) => {
    const error = await failure(client().post('/', data, untouched));
    expect(error).toMatchObject({ name: 'MAuthUnableToSignError', code: 'body_unsupported' });
    expect(server.requests).toEqual([]);
  });

  it('the same form of the form-data package a second time: body_consumed', async () => {
    const form = new FormDataPackage();
    form.append('a', '1');
    await client().post('/', form);
    expectAuthentic(server.last, app);
    expect(await failure(client().post('/', form))).toMatchObject({ code: 'body_consumed' });
    expect(server.requests).toHaveLength(1);
  });

  it('a stream is closed when it is too large', async () => {
    const stream = createReadStream('/dev/zero');
    await failure(client().post('/', stream));
    expect(stream.destroyed).toBe(true);
  });

  it('the limit itself is still sent', async () => {
    await client().post('/', Readable.from(['x'.repeat(LIMIT)]));
    await client().post('/', new Blob(['x'.repeat(LIMIT)]));
    await client().post('/', 'text is not limited'.repeat(LIMIT));
    for (const request of server.requests) expectAuthentic(request, app);
    expect(server.requests).toHaveLength(3);
  });
});

describe('While the body is still being read', () => {
  const stalled = () => new Readable({ read: () => undefined });

  it('the time-out ends the request', async () => {
    const stream = stalled();
    const error = await failure(client().post('/', stream, { timeout: 50 }));
    expect(error).toMatchObject({ name: 'MAuthUnableToSignError', code: 'body_timeout' });
    expect(stream.destroyed).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it('the time that reading takes is taken off the time-out of the answer', async () => {
    server.answer(() => undefined);
    const slow = Readable.from(
      (async function* () {
        await new Promise((resolve) => setTimeout(resolve, 500));
        yield 'x';
      })(),
    );
    const started = Date.now();
    const error = await failure(client().post('/', slow, { timeout: 800 }));
    expect(error).toMatchObject({ code: 'ECONNABORTED', message: 'timeout of 800ms exceeded' });
    expect(Date.now() - started).toBeLessThan(1250);
  });

  it('an abort cancels the request', async () => {
    const controller = new AbortController();
    const stream = stalled();
    setTimeout(() => controller.abort(), 20);
    const error = await failure(client().post('/', stream, { signal: controller.signal }));
    expect(axios.isCancel(error)).toBe(true);
    expect(stream.destroyed).toBe(true);
  });

  it('a cancel token cancels the request', async () => {
    const source = axios.CancelToken.source();
    setTimeout(() => source.cancel('enough'), 20);
    const error = await failure(client().post('/', stalled(), { cancelToken: source.token }));
    expect(error).toMatchObject({ code: 'ERR_CANCELED', message: 'enough' });
  });

  it('a request that was aborted before it began does not touch the stream', async () => {
    const stream = Readable.from(['x']);
    const error = await failure(client().post('/', stream, { signal: AbortSignal.abort() }));
    expect(axios.isCancel(error)).toBe(true);
    expect(stream.readableDidRead).toBe(false);
  });
});

describe('A signer that fails', () => {
  it('with an error of its own passes that on', async () => {
    const keyless = new MAuthSigner({ appUuid: app.appUuid, findPublicKey: () => app.publicKey });
    expect(await failure(client(keyless).get('/'))).toMatchObject({ code: 'no_private_key' });
    expect(server.requests).toEqual([]);
  });

  it('with any other error fails as signing_failed, with that as its cause', async () => {
    const cause = new MAuthConfigurationError('The key could not be decrypted.');
    const error = await failure(client({ signRequest: () => Promise.reject(cause) }).get('/'));
    expect(error).toBeInstanceOf(MAuthUnableToSignError);
    expect(error).toMatchObject({
      code: 'signing_failed',
      cause,
      message: expect.stringContaining('decrypted'),
    });
    expect(server.requests).toEqual([]);
  });

  it('refuses a method that cannot be signed', async () => {
    expect(await failure(client().request({ method: 'M-SEARCH*', url: '/' }))).toMatchObject({
      code: 'malformed_method',
    });
  });
});

describe('A URL', () => {
  const parts: AxiosRequestConfig[] = [
    { url: '/relative' },
    { url: 'http://[' },
    { url: 'http:/127.0.0.1/x' },
    {},
    {
      url: 'http://127.0.0.1/x',
      params: { a: 1 },
      paramsSerializer: () => {
        throw new Error('no');
      },
    },
  ];

  it.each(parts)('that is none is refused before anything is sent: %p', async (config) => {
    const instance = axios.create({ adapter: () => Promise.reject(new Error('sent')) });
    MAuthAxiosInterceptor.attach(instance, signer);
    const error = await failure(instance.request(config));
    expect(error).toMatchObject({ name: 'MAuthUnableToSignError', code: 'malformed_url' });
  });

  it('of another protocol is left to axios', async () => {
    const instance = axios.create();
    MAuthAxiosInterceptor.attach(instance, signer);
    expect(await failure(instance.get('ftp://127.0.0.1/x'))).toMatchObject({ code: 'ERR_BAD_REQUEST' });
    expect((await instance.get('data:text/plain,hello', { responseType: 'text' })).data).toBe('hello');
  });
});
