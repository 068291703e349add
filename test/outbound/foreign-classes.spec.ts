import axios from 'axios';
import FormDataPackage from 'form-data';
import { Readable } from 'node:stream';
import * as undici from 'undici';
import {
  MAuthAxiosInterceptor,
  MAuthSigner,
  signedFetch,
  type MAuthSigningOptions,
} from '../../lib/index.js';
import { createTestApp } from '../support/test-app.js';
import { expectAuthentic, mauthHeaders, RecordingServer, redirectTo } from './recording-server.js';

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

const at = (path: string) => `${server.origin}${path}`;
const STALE = {
  'MCC-Authentication': 'MWSV2 stale;',
  'mcc-time': '1',
  'X-MWS-Authentication': 'MWS stale',
  'X-Own': 'kept',
};

type AnyFetch = (input: any, init?: any) => Promise<any>;
const FETCHES: [string, AnyFetch][] = [
  ['the built-in fetch', fetch],
  ["undici's fetch", undici.fetch],
];

/** Classes such as other packages bring: nothing of Node's, and recognised by their tag. */
class ForeignBlob {
  readonly #text: string;
  readonly size: number;

  constructor(
    text: string,
    readonly type = '',
  ) {
    this.#text = text;
    this.size = Buffer.byteLength(text);
  }

  get [Symbol.toStringTag](): string {
    return 'Blob';
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new TextEncoder().encode(this.#text).buffer;
  }
}

class ForeignFile extends ForeignBlob {
  constructor(
    text: string,
    readonly name: string,
    type?: string,
  ) {
    super(text, type);
  }

  override get [Symbol.toStringTag](): string {
    return 'File';
  }
}

class ForeignFormData {
  readonly #entries: [string, string | ForeignFile][] = [];

  get [Symbol.toStringTag](): string {
    return 'FormData';
  }

  append(name: string, value: string | ForeignFile): void {
    this.#entries.push([name, value]);
  }

  *entries() {
    yield* this.#entries;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

class ForeignSearchParams {
  get [Symbol.toStringTag](): string {
    return 'URLSearchParams';
  }

  toString(): string {
    return 'a=%C3%BC+b';
  }
}

class ForeignStream {
  readonly #chunks = ['ab', 'c'].map((text) => new TextEncoder().encode(text));

  get [Symbol.toStringTag](): string {
    return 'ReadableStream';
  }

  getReader() {
    return {
      read: async () => {
        const value = this.#chunks.shift();
        return { done: value === undefined, value };
      },
      cancel: async () => undefined,
      releaseLock: () => undefined,
    };
  }
}

/** A request like those of the older packages: no stream of Node's, or none at all. */
class ForeignRequest {
  readonly method: string;
  readonly headers: Map<string, string>;
  readonly redirect: string;
  readonly signal: AbortSignal | null;
  readonly body: unknown;
  bodyUsed = false;

  constructor(
    readonly url: string,
    { method = 'GET', headers = {}, body = null, redirect = 'follow', signal = null }: any = {},
  ) {
    this.method = method;
    this.headers = new Map(Object.entries(headers));
    this.body = body;
    this.redirect = redirect;
    this.signal = signal;
  }

  get [Symbol.toStringTag](): string {
    return 'Request';
  }

  clone(): this {
    return this;
  }
}

/** One that hands out its body as a whole only. */
class BufferedRequest {
  readonly method = 'POST';
  readonly headers = STALE;
  bodyUsed = false;

  constructor(readonly url: string) {}

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new TextEncoder().encode('inside').buffer;
  }
}

function undiciForm(): undici.FormData {
  const form = new undici.FormData();
  form.append('name', 'Müller');
  form.append('file', new File([Buffer.from([0, 255, 13, 10])], 'ü.png', { type: 'image/png' }));
  return form;
}

function foreignForm(): ForeignFormData {
  const form = new ForeignFormData();
  form.append('name', 'Müller');
  form.append('file', new ForeignFile('content', 'ü.txt', 'text/plain'));
  return form;
}

function packageForm(): FormDataPackage {
  const form = new FormDataPackage();
  form.append('name', 'Müller');
  form.append('file', Buffer.from('content'), { filename: 'a.txt' });
  return form;
}

interface Sent {
  readonly body?: string | RegExp;
  readonly type?: RegExp;
}

const MULTIPART = /^multipart\/form-data; boundary=/;

const REQUESTS: [string, () => any, Sent][] = [
  ["undici's Request", () => new undici.Request(at('/a?b=c'), { headers: STALE }), { body: '' }],
  [
    "undici's Request with a body",
    () => new undici.Request(at('/a?b=c'), { method: 'POST', headers: STALE, body: 'inside' }),
    { body: 'inside', type: /^text\/plain/ },
  ],
  [
    "undici's Request with undici's FormData",
    () => new undici.Request(at('/a?b=c'), { method: 'POST', headers: STALE, body: undiciForm() }),
    { body: /Müller[^]*ü\.png/, type: MULTIPART },
  ],
  [
    'a foreign Request with a stream of Node',
    () =>
      new ForeignRequest(at('/a?b=c'), {
        method: 'PUT',
        headers: STALE,
        body: Readable.from(['in', 'side']),
      }),
    { body: 'inside' },
  ],
  [
    'a foreign Request with a foreign stream',
    () => new ForeignRequest(at('/a?b=c'), { method: 'PUT', headers: STALE, body: new ForeignStream() }),
    { body: 'abc' },
  ],
  [
    'a foreign Request without a body',
    () => new ForeignRequest(at('/a?b=c'), { headers: STALE }),
    { body: '' },
  ],
  ['a Request that has its body at once', () => new BufferedRequest(at('/a?b=c')), { body: 'inside' }],
  ['a Request of Node', () => new Request(at('/a?b=c'), { headers: STALE }), { body: '' }],
  ['a foreign URL', () => ({ href: at('/a?b=c'), toString: () => at('/a?b=c') }), {}],
];

const BODIES: [string, () => any, Sent][] = [
  ["undici's FormData", undiciForm, { body: /Müller[^]*ü\.png/, type: MULTIPART }],
  ['a foreign FormData', foreignForm, { body: /Müller[^]*ü\.txt[^]*content/, type: MULTIPART }],
  ['a form of the form-data package', packageForm, { body: /Müller[^]*content/, type: MULTIPART }],
  ['a foreign Blob', () => new ForeignBlob('content', 'text/x'), { body: 'content', type: /^text\/x$/ }],
  ['a foreign File', () => new ForeignFile('content', 'a.txt'), { body: 'content' }],
  [
    'foreign URLSearchParams',
    () => new ForeignSearchParams(),
    { body: 'a=%C3%BC+b', type: /^application\/x-www-form-urlencoded/ },
  ],
  ['a foreign stream', () => new ForeignStream(), { body: 'abc' }],
  ['a stream of Node', () => Readable.from(['ab', 'c']), { body: 'abc' }],
];

function expectSent({ body, type }: Sent): void {
  expectAuthentic(server.last, app);
  if (typeof body === 'string') expect(server.last.body.toString()).toBe(body);
  else if (body) expect(server.last.body.toString()).toMatch(body);
  if (type) expect(server.last.headers['content-type']).toMatch(type);
}

function failureOf(request: Promise<unknown>): Promise<any> {
  return request.then(
    () => Promise.reject(new Error('The request should have failed.')),
    (error: unknown) => error,
  );
}

describe.each(FETCHES)('signedFetch over %s', (_name, plain) => {
  const sending = (options?: MAuthSigningOptions): AnyFetch =>
    signedFetch(plain as typeof fetch, signer, options);

  it.each(REQUESTS)('signs %s', async (_kind, request, sent) => {
    const response = await sending()(request());
    expect(response.status).toBe(200);
    expect(server.last.target).toBe('/a?b=c');
    expectSent(sent);
    if (sent.body !== undefined) expect(server.last.headers['x-own']).toBe('kept');
  });

  it.each(BODIES)('signs a body that is %s', async (_kind, body, sent) => {
    await sending()(at('/a'), { method: 'POST', body: body(), headers: STALE, duplex: 'half' });
    expectSent(sent);
  });

  it.each(REQUESTS)('takes what is said beside %s', async (_kind, request) => {
    await sending()(request(), { method: 'PATCH', body: 'outside', headers: { ...STALE, 'X-Own': 'other' } });
    expect(server.last).toMatchObject({ method: 'PATCH', target: '/a?b=c' });
    expect(server.last.headers['x-own']).toBe('other');
    expectSent({ body: 'outside' });
  });

  it('keeps a content type that the caller has set beside a body', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    await sending()(at('/a'), { method: 'POST', body: new ForeignBlob('x', 'text/x'), headers });
    expect(server.last.headers['content-type']).toBe('application/octet-stream');
    expectAuthentic(server.last, app);
  });

  it('signs redirects afresh, and takes nothing to another origin', async () => {
    server.answer(redirectTo(307, '/b'), redirectTo(307, `${other.origin}/away`));
    const init = { method: 'POST', headers: { ...STALE, Authorization: 'Bearer secret' }, body: 'kept' };
    await sending()(new undici.Request(at('/a'), init));
    expect(server.requests.map(({ target }) => target)).toEqual(['/a', '/b']);
    for (const request of server.requests) expectAuthentic(request, app);
    expect([mauthHeaders(other.last), other.last.headers.authorization]).toEqual([[], undefined]);
    expect(other.last.body.toString()).toBe('kept');
  });

  it("follows no redirect where undici's Request says so", async () => {
    server.answer(redirectTo(302, '/b'));
    const response = await sending()(new undici.Request(at('/a'), { redirect: 'manual' }));
    expect(response.status).toBe(302);
    expect(server.requests).toHaveLength(1);
    expectAuthentic(server.last, app);
  });

  it("is aborted by the signal of undici's Request", async () => {
    const controller = new AbortController();
    server.answer(() => controller.abort());
    const request = new undici.Request(at('/a'), { signal: controller.signal });
    expect(await failureOf(sending()(request))).toMatchObject({ name: 'AbortError' });
  });

  it('reads no more of a body than `maxStreamBytes`', async () => {
    for (const init of [
      { method: 'POST', body: foreignForm() },
      { method: 'POST', body: new ForeignBlob('12345') },
      { method: 'POST', body: new ForeignStream() },
    ]) {
      const error = await failureOf(sending({ maxStreamBytes: 2 })(at('/a'), init));
      expect(error).toMatchObject({ name: 'MAuthUnableToSignError', code: 'body_too_large' });
    }
    for (const body of ['12345', undiciForm()]) {
      const request = new undici.Request(at('/a'), { method: 'POST', body });
      expect(await failureOf(sending({ maxStreamBytes: 2 })(request))).toMatchObject({
        code: 'body_too_large',
      });
    }
    expect(await failureOf(sending({ maxStreamBytes: 2 })(new BufferedRequest(at('/a'))))).toMatchObject({
      code: 'body_too_large',
    });
    expect(server.requests).toEqual([]);
  });

  it('sends no body that has been read before', async () => {
    const request = new undici.Request(at('/a'), { method: 'POST', body: 'once' });
    await request.text();
    expect(await failureOf(sending()(request))).toMatchObject({ code: 'body_consumed' });
    const foreign = new BufferedRequest(at('/a'));
    foreign.bodyUsed = true;
    expect(await failureOf(sending()(foreign))).toMatchObject({ code: 'body_consumed' });
    expect(server.requests).toEqual([]);
  });

  it('sends nothing that it does not know', async () => {
    for (const body of [{ a: 1 }, new Map(), { [Symbol.toStringTag]: 'FormData' }, Symbol('x'), () => 'x']) {
      const error = await failureOf(sending()(at('/a'), { method: 'POST', body, headers: STALE }));
      expect(error).toMatchObject({ name: 'MAuthUnableToSignError', code: 'body_unsupported' });
    }
    expect(server.requests).toEqual([]);
  });
});

describe('axios', () => {
  it.each(BODIES)('signs a body that is %s', async (_kind, body, sent) => {
    const client = axios.create({ baseURL: server.origin });
    MAuthAxiosInterceptor.attach(client, signer);
    await client.post('/a', body(), { headers: STALE });
    expectSent(sent);
  });
});

describe('Stale MAuth headers', () => {
  const seen: [unknown, any][] = [];
  /** Such as resolves relative URLs, or knows other schemes. */
  const lenient: AnyFetch = async (input, init) => {
    seen.push([input, init]);
    return new Response('lenient');
  };
  const staleOf = ([input, init]: [any, any]) =>
    [...new Headers(init?.headers), ...new Headers(init?.headers ? {} : input.headers)].filter(([name]) =>
      /^(mcc|x-mws)-/.test(name),
    );
  beforeEach(() => void (seen.length = 0));

  it.each<[string, () => any]>([
    ['text', () => `${other.origin}/a`],
    ["undici's Request", () => new undici.Request(`${other.origin}/a`, { headers: STALE })],
    ['a foreign Request', () => new ForeignRequest(`${other.origin}/a`, { headers: STALE })],
    ['a Request of Node', () => new Request(`${other.origin}/a`, { headers: STALE })],
    ['a URL of another scheme', () => 'data:text/plain,x'],
  ])('do not pass with %s to what is not signed', async (_kind, input) => {
    const sending: AnyFetch = signedFetch(lenient as typeof fetch, signer, {
      signedOrigins: [server.origin],
    });
    await sending(input(), typeof input() === 'string' ? { headers: STALE } : undefined);
    await sending(input(), { headers: Object.entries(STALE) });
    await sending(input(), { headers: new undici.Headers(STALE) });
    expect(seen).toHaveLength(3);
    expect(seen.flatMap(staleOf)).toEqual([]);
  });

  it.each<[string, () => any]>([
    ['/relative', () => '/relative'],
    ['a Request with a relative URL', () => new ForeignRequest('/relative', { headers: STALE })],
    ['an object', () => ({})],
    ['nothing', () => undefined],
  ])('nor anything else of a request for %s, whatever the fetch would make of it', async (_kind, input) => {
    const sending: AnyFetch = signedFetch(lenient as typeof fetch, signer);
    expect(await failureOf(sending(input(), { headers: STALE }))).toMatchObject({ name: 'TypeError' });
    expect(seen).toEqual([]);
  });

  it('are not told by the error for headers that are none', async () => {
    const headers = { 'MCC-Authentication': `MWSV2 ${app.appUuid}:c2VjcmV0c2VjcmV0;\n\nx` };
    const error = await failureOf(signedFetch(fetch, signer)(at('/a'), { headers }));
    expect(error).toMatchObject({ name: 'TypeError' });
    expect(`${error.message} ${error.stack}`).not.toContain('c2VjcmV0c2VjcmV0');
  });
});
