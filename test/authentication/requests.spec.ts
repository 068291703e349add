import { MAuthAuthenticator, type MAuthHeaderFields } from '../../lib/core.js';
import {
  accepted,
  alice,
  createWorld,
  refused,
  REQUEST,
  signedHeaders,
  undecided,
  type Version,
} from './signed-by-hand.js';

const VERSIONS: [string, Version][] = [
  ['V1', 1],
  ['V2', 2],
];
const CONTROL_CHARACTERS = [...Array.from({ length: 0x20 }, (_, code) => code), 0x7f].map((code) =>
  String.fromCharCode(code),
);

describe.each(VERSIONS)('A request signed with %s', (_, version) => {
  function authenticate(method: string, url: string | Uint8Array, path: string, query = '') {
    const headers = signedHeaders(version, alice, { method, path, query });
    return createWorld().authenticator.authenticateRequest({ method, url, headers, body: '{}' });
  }

  it.each(['GET', 'POST', 'M-SEARCH', 'A', 'A-'])('is accepted with the method %s', async (method) => {
    expect(await authenticate(method, '/studies', '/studies')).toEqual(accepted(alice, version));
  });

  it.each([
    '',
    'get',
    'Get',
    'GET ',
    ' GET',
    'GE T',
    'GET\n',
    '\nGET',
    'GET\n/x',
    'G3T',
    '-GET',
    'G\u00c9T',
    'G_T',
    '*',
    'GET\0',
  ])('is refused with the method %j, although it is signed so', async (method) => {
    expect(await authenticate(method, '/studies', '/studies')).toEqual(refused('malformed_request'));
  });

  it.each([undefined, null, 1, ['GET'], { toString: () => 'GET' }])(
    'is refused with the method %p',
    async (method) => {
      const headers = signedHeaders(version, alice);
      const request = { ...REQUEST, method: method as string, headers };
      expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
        refused('malformed_request'),
      );
    },
  );

  it.each<[string, string, string]>([
    ['/', '/', ''],
    ['/?', '/', ''],
    ['/a#b', '/a#b', ''],
    ['/a?b#c', '/a', 'b%23c='],
    ['/a??b', '/a', '%3Fb='],
    ['/a:b;c=d,e@f', '/a:b;c=d,e@f', ''],
    ['/%2e%2E/%00', '/%2E%2E/%00', ''],
    ['/"<>\\^`{|}', '/"<>\\^`{|}', ''],
  ])('is accepted with the target %s', async (url, path, query) => {
    const inV1 = url.split('?')[0];
    expect(await authenticate('GET', url, version === 1 ? inV1 : path, query)).toEqual(
      accepted(alice, version),
    );
  });

  it('is accepted with a target of UTF-8, as Node hands it over, as bytes, and decoded', async () => {
    const path = '/caf\u00e9/\u65e5';
    const bytes = Buffer.from(path, 'utf8');
    for (const url of [bytes.toString('latin1'), bytes, new Uint8Array(bytes), path]) {
      expect(await authenticate('GET', url, path)).toEqual(accepted(alice, version));
    }
  });

  it.each([
    '',
    '*',
    'studies',
    'http://example.com/studies',
    'HTTPS://example.com',
    'example.com:443',
    '\\studies',
    '?a=1',
    ' /studies',
  ])('is refused with the target %j, although it is signed so', async (url) => {
    const [path, query] = url.split('?') as [string, string?];
    expect(await authenticate('GET', url, path, query)).toEqual(refused('malformed_request'));
  });

  it.each([undefined, null, 7, ['/studies'], new URL('http://example.com/studies')])(
    'is refused with the target %p, which is neither text nor bytes',
    async (url) => {
      const headers = signedHeaders(version, alice);
      const request = { ...REQUEST, url: url as unknown as string, headers };
      expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
        refused('malformed_request'),
      );
    },
  );

  it('is refused with any control character in its path, although it is signed so', async () => {
    for (const character of CONTROL_CHARACTERS) {
      for (const path of [`/a${character}b`, `/a${character}`, `/${character}`]) {
        expect([path, await authenticate('GET', path, path)]).toEqual([path, refused('malformed_request')]);
      }
    }
  });

  it('is refused with any control character in its query, although it is signed so', async () => {
    for (const character of CONTROL_CHARACTERS) {
      const escaped = `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
      const url = `/studies?a=${character}`;
      expect([url, await authenticate('GET', url, '/studies', `a=${escaped}`)]).toEqual([
        url,
        refused('malformed_request'),
      ]);
    }
  });

  it('is not refused for a character whose lower byte alone is a line feed, nor takes it for one', async () => {
    const url = '/a\u010ab';
    expect(await authenticate('GET', url, url)).toEqual(accepted(alice, version));
    expect(await authenticate('GET', url, '/a\nb')).toEqual(refused('signature_mismatch'));
  });

  it('is refused when a line feed would move a part of the path into its body', async () => {
    const { authenticator } = createWorld();
    const headers = signedHeaders(version, alice, { method: 'GET', path: '/studies', body: 'x' });
    const shifted = { method: 'GET', url: '/studies\nx', headers, body: null };
    expect(await authenticator.authenticateRequest(shifted)).toEqual(refused('malformed_request'));
  });

  it('is looked up only when method and target are in order', async () => {
    const { authenticator, asked } = createWorld();
    const headers = signedHeaders(version, alice);
    await authenticator.authenticateRequest({ ...REQUEST, url: '*', headers });
    expect(asked).toStrictEqual([]);
    await authenticator.authenticateRequest({ ...REQUEST, headers });
    expect(asked).toStrictEqual([alice.appUuid]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['method', { method: 'PUT' }],
    ['path', { url: '/studies/' }],
    ['body', { body: '{} ' }],
    ['body, which is gone', { body: null }],
    ...(version === 2 ? [['query', { url: '/studies?a' }] as [string, Record<string, unknown>]] : []),
  ])('is refused with another %s', async (__, change) => {
    const headers = signedHeaders(version, alice);
    const request = { ...REQUEST, headers, ...change };
    expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
      refused('signature_mismatch'),
    );
  });

  it('is a request: as a response its headers are worth nothing', async () => {
    const { authenticator } = createWorld();
    const headers = signedHeaders(version, alice);
    expect(await authenticator.authenticateResponse({ status: 200, headers, body: '{}' })).toEqual(
      refused('signature_mismatch'),
    );
  });
});

it('V1 does not cover the query', async () => {
  const headers = signedHeaders(1, alice);
  const request = { ...REQUEST, url: '/studies?anything', headers };
  expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(accepted(alice, 1));
});

describe.each(VERSIONS)('The body of a request signed with %s', (_, version) => {
  function authenticate(body: unknown, signedBody: string, more: Record<string, unknown> = {}) {
    const headers = { ...signedHeaders(version, alice, { body: signedBody }), ...more } as MAuthHeaderFields;
    const { authenticator, log } = createWorld();
    const request = { ...REQUEST, headers, body: body as string };
    return authenticator.authenticateRequest(request).then((result) => ({ result, log }));
  }

  it('may be text, bytes, or a view of bytes', async () => {
    const text = 'caf\u00e9';
    const wider = Buffer.from(`xx${text}yy`);
    for (const body of [text, Buffer.from(text), new Uint8Array(Buffer.from(text)), wider.subarray(2, -2)]) {
      expect((await authenticate(body, text)).result).toEqual(accepted(alice, version));
    }
  });

  it('may be none: null, empty text and no bytes are the same', async () => {
    for (const body of [null, '', Buffer.alloc(0)]) {
      expect((await authenticate(body, '')).result).toEqual(accepted(alice, version));
    }
  });

  it.each<[string, Record<string, unknown>]>([
    ['nothing', {}],
    ['a length of 0', { 'content-length': '0' }],
    ['a length of 00', { 'Content-Length': '00' }],
    ['a length of 0 in a list', { 'content-length': ['0'] }],
    ['no length', { 'content-length': undefined, 'transfer-encoding': undefined }],
    ['empty lists', { 'content-length': [], 'transfer-encoding': [] }],
    ['something else, under names of the same lengths', { 'accept-charset': 'x', 'x-forwarded-proto': 'x' }],
  ])('may be null where the headers announce %s', async (__, more) => {
    expect((await authenticate(null, '', more)).result).toEqual(accepted(alice, version));
  });

  it.each<[string, Record<string, unknown>]>([
    ['a length', { 'content-length': '5' }],
    ['a length under another case of its name', { 'Content-LENGTH': '5' }],
    ['a length in a list', { 'content-length': ['0', '5'] }],
    ['a length that is a number', { 'content-length': 5 }],
    ['a length that is none', { 'content-length': 'x' }],
    ['a length that begins with a zero', { 'content-length': '05' }],
    ['an empty length', { 'content-length': '' }],
    ['a transfer encoding', { 'Transfer-Encoding': 'chunked' }],
    ['an empty transfer encoding', { 'transfer-encoding': '' }],
  ])('cannot be had when it is null and the headers announce %s', async (__, more) => {
    const { result, log } = await authenticate(null, '', more);
    expect(result).toEqual(undecided('body_unavailable'));
    expect(log.lines).toContain(
      `warn: MAuth: POST /studies from app ${alice.appUuid} could not be authenticated (body_unavailable)`,
    );
  });

  it('cannot be had when an iterator of headers, which is read once only, announces it', async () => {
    const headers = new Map([
      ...Object.entries(signedHeaders(version, alice, { body: '' })),
      ['content-length', '5'],
    ]);
    const { authenticator } = createWorld();
    const request = { ...REQUEST, headers: headers.entries(), body: null };
    expect(await authenticator.authenticateRequest(request)).toEqual(undecided('body_unavailable'));
  });

  it.each([undefined, new ArrayBuffer(0), 0, {}, [], false])('cannot be had when it is %p', async (body) => {
    expect((await authenticate(body, '')).result).toEqual(undecided('body_unavailable'));
  });

  it('is not asked for when the headers are refused anyway', async () => {
    const { authenticator } = createWorld();
    const request = { ...REQUEST, headers: {}, body: undefined as never };
    expect(await authenticator.authenticateRequest(request)).toEqual(refused('missing_headers'));
  });
});

describe('A response', () => {
  const signer = { appUuid: alice.appUuid, privateKey: alice.privateKey };

  it.each(VERSIONS)(
    'signed with %s is accepted, and refused with another status, body or form',
    async (_, version) => {
      const { MAuthSigner } = await import('../../lib/core.js');
      const { authenticator } = createWorld({ now: Date.now });
      const headers = await new MAuthSigner(signer).signResponse(
        { status: 200, body: 'x' },
        { signVersions: `v${version}` },
      );
      const response = { status: 200, headers, body: 'x' };
      expect(await authenticator.authenticateResponse(response)).toEqual(accepted(alice, version));
      for (const change of [{ status: 201 }, { body: 'y' }, { body: null }]) {
        expect(await authenticator.authenticateResponse({ ...response, ...change })).toEqual(
          refused('signature_mismatch'),
        );
      }
      const asRequest = { method: 'GET', url: '/', headers, body: 'x' };
      expect(await authenticator.authenticateRequest(asRequest)).toEqual(refused('signature_mismatch'));
    },
  );

  it.each([0, 99, 1000, 200.5, NaN, -200, '200', undefined, null])(
    'is refused with the status %p',
    async (status) => {
      const headers = signedHeaders(2, alice);
      const response = { status: status as number, headers, body: '{}' };
      expect(await createWorld().authenticator.authenticateResponse(response)).toEqual(
        refused('malformed_request'),
      );
    },
  );

  it('is refused without headers, and cannot be decided without its body', async () => {
    const { authenticator } = createWorld();
    const bare = { status: 200, headers: undefined as never, body: null };
    expect(await authenticator.authenticateResponse(bare)).toEqual(refused('missing_headers'));
    const response = { status: 200, headers: signedHeaders(2, alice), body: undefined as never };
    expect(await authenticator.authenticateResponse(response)).toEqual(undecided('body_unavailable'));
  });

  it('is signed over no query: other clients have no dialect of it', async () => {
    const { authenticator } = createWorld();
    const headers = signedHeaders(2, alice, { method: '200', path: '/', query: '=' });
    expect(await authenticator.authenticateResponse({ status: 200, headers, body: '{}' })).toEqual(
      refused('signature_mismatch'),
    );
  });
});

describe('A library that puts a class of its own in the place of Promise', () => {
  const { Promise: own } = globalThis;
  afterEach(() => {
    globalThis.Promise = own;
  });

  it.each(VERSIONS)('leaves the answer to %s as it is', async (_, version) => {
    globalThis.Promise = class extends own<never> {} as unknown as PromiseConstructor;
    const findPublicKey = async (asked: string) => (asked === alice.appUuid ? alice.publicKey : undefined);
    const { authenticator } = createWorld({ findPublicKey });
    const headers = signedHeaders(version, alice);
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      accepted(alice, version),
    );
    const forged = { ...REQUEST, headers, body: '{ }' };
    expect(await authenticator.authenticateRequest(forged)).toEqual(refused('signature_mismatch'));
  });
});

describe('An authenticator without a source of keys is a configuration error that names the remedy', () => {
  const options = { appUuid: alice.appUuid, privateKey: alice.privateKeyPem };

  it('in local mode', () => {
    expect(() => new MAuthAuthenticator(options)).toThrow(
      expect.objectContaining({
        name: 'MAuthConfigurationError',
        message:
          'MAuth option `mauthUrl` (environment: MAUTH_URL) or `findPublicKey` is required to authenticate; set one of them.',
      }),
    );
    expect(new MAuthAuthenticator({ ...options, mauthUrl: 'https://mauth.example.com' })).toBeDefined();
  });

  it('in remote mode, where only the MAuth service can tell', () => {
    const remote = { ...options, mode: 'remote', findPublicKey: () => alice.publicKey } as const;
    expect(() => new MAuthAuthenticator(remote)).toThrow(
      expect.objectContaining({
        name: 'MAuthConfigurationError',
        message: 'MAuth option `mauthUrl` (environment: MAUTH_URL) is required in remote mode; set it.',
      }),
    );
    expect(new MAuthAuthenticator({ ...remote, mauthUrl: 'https://mauth.example.com' })).toBeDefined();
  });
});
