import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  privateEncrypt,
  sign,
  type KeyObject,
} from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { explainRequest, type ExplainHints } from '../../lib/explain/index.js';
import { sha512Hex } from '../../lib/protocol/string-to-sign.js';
import { canonicalQuery, normalizePath } from '../../lib/protocol/canonical-target.js';

const APP = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const OTHER_APP = '836a454e-7f14-4192-8f5a-2a9d3d66f70c';
const TIME = 1_763_700_000;
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const largePair = generateKeyPairSync('rsa', { modulusLength: 3072 });

type Signer = (text: Buffer, key: KeyObject) => Buffer;
const pkcs1 =
  (hash: string): Signer =>
  (text, key) =>
    sign(hash, text, key);
const encrypted: Signer = (text, key) => privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, text);
const v1Scheme: Signer = (text, key) => encrypted(Buffer.from(sha512Hex(text)), key);
const pss =
  (saltLength: number, hash = 'sha512'): Signer =>
  (text, key) =>
    sign(hash, text, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

/** What a sender did: what it signed, and what came. Parts that are not named are right. */
interface Failure {
  version?: 1 | 2;
  came?: { method?: string; url?: string; body?: string | Buffer; headers?: Record<string, string> };
  signed?: {
    method?: string;
    path?: string;
    query?: string;
    body?: string | Buffer;
    appUuid?: string;
    time?: string;
    text?: (right: Buffer) => Buffer | string;
    version?: 1 | 2;
  };
  by?: Signer;
  key?: KeyObject;
  time?: string;
  hints?: ExplainHints;
  now?: number;
  verdict?: string;
}

function explain({ version = 2, came = {}, signed = {}, by, key, time, hints, now, verdict: _ }: Failure) {
  const { method = 'POST', url = '/studies/7?page=1', body = '{"name":"Aspirin"}', headers = {} } = came;
  const [path, query = ''] = url.split('?');
  const as = { method, path, query, body, appUuid: APP, time: String(TIME), version, ...signed };
  const bytes = Buffer.from(as.body as string);
  const right =
    as.version === 2
      ? Buffer.from(
          [
            as.method,
            signed.path ?? normalizePath(as.path),
            sha512Hex(bytes),
            as.appUuid,
            as.time,
            signed.query ?? canonicalQuery(as.query),
          ].join('\n'),
          'latin1',
        )
      : Buffer.concat([
          Buffer.from(`${as.method}\n${as.path}\n`, 'latin1'),
          bytes,
          Buffer.from(`\n${as.appUuid}\n${as.time}`),
        ]);
  const text = Buffer.from((signed.text?.(right) ?? right) as string);
  const signature = (by ?? (version === 2 ? pkcs1('sha512') : v1Scheme))(
    text,
    key ?? pair.privateKey,
  ).toString('base64');
  const own: Record<string, string> =
    version === 2
      ? { 'MCC-Authentication': `MWSV2 ${APP}:${signature};`, 'MCC-Time': time ?? String(TIME) }
      : { 'X-MWS-Authentication': `MWS ${APP}:${signature}`, 'X-MWS-Time': time ?? String(TIME) };
  return explainRequest(
    {
      method,
      url,
      headers: { ...own, ...headers },
      body,
      publicKey: pair.publicKey,
      now: now ?? TIME * 1000,
    },
    hints,
  );
}

const FAILURES: [name: string, codes: string[], failure: Failure][] = [
  ['another key', ['other_key'], { key: otherPair.privateKey, verdict: 'other_key' }],
  ['another key, V1', ['other_key'], { version: 1, key: otherPair.privateKey, verdict: 'other_key' }],
  ['a larger key', ['key_size'], { key: largePair.privateKey, verdict: 'other_key' }],
  ['PSS padding', ['padding_pss'], { by: pss(constants.RSA_PSS_SALTLEN_DIGEST) }],
  ['PSS padding, longest salt', ['padding_pss'], { by: pss(constants.RSA_PSS_SALTLEN_MAX_SIGN) }],
  ['PSS padding with SHA-256', ['padding_pss', 'hash'], { by: pss(32, 'sha256') }],
  [
    'PSS padding with SHA-256, longest salt',
    ['padding_pss', 'hash'],
    { by: pss(constants.RSA_PSS_SALTLEN_MAX_SIGN, 'sha256') },
  ],
  ['SHA-256', ['hash'], { by: pkcs1('sha256') }],
  ['SHA-1', ['hash'], { by: pkcs1('sha1') }],
  [
    'V1 with upper-case digest',
    ['hash'],
    { version: 1, by: (text, key) => encrypted(Buffer.from(sha512Hex(text).toUpperCase()), key) },
  ],
  [
    'V1 with the text itself',
    ['hash'],
    { version: 1, by: (text, key) => encrypted(text.subarray(0, 200), key) },
  ],
  ['V1 scheme in a V2 header', ['scheme_other_version'], { by: v1Scheme }],
  ['V2 scheme in a V1 header', ['scheme_other_version'], { version: 1, by: pkcs1('sha512') }],
  ['V1 text in a V2 header', ['string_other_version'], { signed: { version: 1 } }],
  ['V2 text in a V1 header', ['string_other_version'], { version: 1, signed: { version: 2 } }],
  [
    'V1 in a V2 header',
    ['scheme_other_version', 'string_other_version'],
    { signed: { version: 1 }, by: v1Scheme },
  ],
  [
    'a line feed behind V1',
    ['string_trailing_newline'],
    { version: 1, signed: { text: (right) => `${right.toString()}\n` } },
  ],
  [
    'a line feed behind V2',
    ['string_trailing_newline'],
    { signed: { text: (right) => `${right.toString()}\n` } },
  ],
  [
    'no line feed behind V2 without a query',
    ['string_trailing_newline'],
    { came: { url: '/studies' }, signed: { text: (right) => right.toString().trimEnd() } },
  ],
  ['a clock that is wrong', ['clock_skew'], { now: (TIME + 301) * 1000 }],
  ['milliseconds in the header', ['time_milliseconds'], { time: `${TIME}123` }],
  [
    'milliseconds in header and text',
    ['time_milliseconds'],
    { time: `${TIME}123`, signed: { time: `${TIME}123` } },
  ],
  ['milliseconds in the text', ['time_milliseconds'], { signed: { time: `${TIME}987` } }],
  ['a second later', ['time_changed'], { signed: { time: String(TIME - 1) } }],
  ['UUID in upper case', ['uuid_case'], { signed: { appUuid: APP.toUpperCase() } }],
  ['another UUID', ['uuid_changed'], { signed: { appUuid: OTHER_APP }, hints: { appUuids: [OTHER_APP] } }],
  ['another method', ['method_changed'], { signed: { method: 'PUT' } }],
  ['method in lower case, V1', ['method_changed'], { version: 1, signed: { method: 'post' } }],
  ['path decoded', ['path_decoded'], { came: { url: '/a%20b' }, signed: { path: '/a b' } }],
  ['path decoded, V1', ['path_decoded'], { version: 1, came: { url: '/a%2Fb' }, signed: { path: '/a/b' } }],
  ['path encoded twice', ['path_encoded_twice'], { came: { url: '/a%20b' }, signed: { path: '/a%2520b' } }],
  ['path not normalized', ['path_not_normalized'], { came: { url: '/a//b' }, signed: { path: '/a//b' } }],
  [
    'prefix added on the way',
    ['path_prefix_added'],
    { came: { url: '/gateway/studies/7' }, signed: { path: '/studies/7' } },
  ],
  [
    'prefix removed on the way',
    ['path_prefix_removed'],
    { signed: { path: '/rave/studies/7' }, hints: { prefixes: ['/rave'] } },
  ],
  ['usual prefix removed', ['path_prefix_removed'], { version: 1, signed: { path: '/api/v1/studies/7' } }],
  [
    'prefix added, slash at the end stays',
    ['path_prefix_added'],
    { came: { url: '/rave/studies/' }, signed: { path: '/studies/' }, hints: { prefixes: ['rave/'] } },
  ],
  [
    'one parameter for another',
    ['query_parameter_added', 'query_parameter_removed'],
    { came: { url: '/s?page=1' }, signed: { query: 'page=2' }, hints: { queries: ['page=2'] } },
  ],
  ['slash at the end', ['path_trailing_slash'], { signed: { path: '/studies/7/' } }],
  [
    'parameters of a path',
    ['path_parameters_dropped'],
    { came: { url: '/a/b;x=1' }, signed: { path: '/a/b' } },
  ],
  [
    'slashes before dots',
    ['path_slashes_before_dots'],
    { came: { url: '/x//../y' }, signed: { path: '/y' } },
  ],
  ['query in the path of V1', ['path_with_query'], { version: 1, signed: { path: '/studies/7?page=1' } }],
  [
    'absolute URL',
    ['absolute_url'],
    {
      version: 1,
      came: { headers: { Host: 'api.example.com' } },
      signed: { path: 'https://api.example.com/studies/7' },
    },
  ],
  [
    'absolute URL with query',
    ['absolute_url', 'path_with_query'],
    { version: 1, signed: { path: 'http://x.test/studies/7?page=1' }, hints: { hosts: ['x.test'] } },
  ],
  ['query left out', ['query_left_out'], { signed: { query: '' } }],
  [
    'parameter added',
    ['query_parameter_added'],
    { came: { url: '/s?b=2&trace=9&a=1' }, signed: { query: 'a=1&b=2' } },
  ],
  [
    'parameter removed',
    ['query_parameter_removed'],
    { signed: { query: 'page=1&token=x' }, hints: { queries: ['page=1&token=x'] } },
  ],
  ['query as sent', ['query_not_canonical'], { came: { url: '/s?z&b=2' }, signed: { query: 'z&b=2' } }],
  ['order of parameters', ['query_order'], { came: { url: '/s?b=%2f&a=1' }, signed: { query: 'b=%2F&a=1' } }],
  ['space as plus', ['query_space_as_plus'], { came: { url: '/s?q=a%20b' }, signed: { query: 'q=a+b' } }],
  ['plus is no space', ['query_plus_not_space'], { came: { url: '/s?q=a+b' }, signed: { query: 'q=a%2Bb' } }],
  [
    'reserved characters',
    ['query_reserved_not_escaped'],
    { came: { url: '/s?q=%28x%29%21' }, signed: { query: 'q=(x)!' } },
  ],
  [
    'query escaped twice',
    ['query_escaped_twice'],
    { came: { url: '/s?q=a%20b' }, signed: { query: 'q=a%2520b' } },
  ],
  ['query decoded', ['query_decoded'], { came: { url: '/s?q=%5Ba%5D%20%26' }, signed: { query: 'q=[a] &' } }],
  [
    'text behind the second =',
    ['query_text_after_equals_dropped'],
    { came: { url: '/s?a=b=c' }, signed: { query: 'a=b' } },
  ],
  ['plus as space', ['query_plus_as_space'], { came: { url: '/s?q=a%2Bb' }, signed: { query: 'q=a%20b' } }],
  ['body left out', ['body_left_out'], { signed: { body: '' } }],
  ['body left out, V1', ['body_left_out'], { version: 1, signed: { body: '' } }],
  ['JSON with spaces', ['body_json_rewritten'], { signed: { body: '{"name": "Aspirin"}' } }],
  ['JSON indented', ['body_json_rewritten'], { version: 1, signed: { body: '{\n  "name": "Aspirin"\n}' } }],
  [
    'JSON sorted',
    ['body_json_rewritten'],
    { came: { body: '{"b":1,"a":2}' }, signed: { body: '{"a":2,"b":1}' } },
  ],
  [
    'JSON in ASCII',
    ['body_json_rewritten'],
    { came: { body: '{"a":"é"}' }, signed: { body: '{"a":"\\u00e9"}' } },
  ],
  [
    'body compressed on the way',
    ['body_compressed'],
    { came: { body: gzipSync('some text') }, signed: { body: 'some text' } },
  ],
  ['line ends', ['body_line_ends'], { came: { body: 'a\r\nb' }, signed: { body: 'a\nb' } }],
  ['line end at the end', ['body_final_newline'], { came: { body: 'a,b' }, signed: { body: 'a,b\n' } }],
  [
    'character encoding',
    ['body_charset'],
    { came: { body: 'é' }, signed: { body: Buffer.from('é', 'latin1') } },
  ],
  ['byte order mark', ['body_byte_order_mark'], { came: { body: '\uFEFFa' }, signed: { body: 'a' } }],
  [
    'a body that is given',
    ['body_given'],
    { signed: { body: 'original' }, hints: { bodies: [Buffer.from('original')] } },
  ],
  [
    'prefix and body',
    ['path_prefix_added', 'body_left_out'],
    { came: { url: '/gw/studies' }, signed: { path: '/studies', body: '' } },
  ],
  ['query and clock', ['clock_skew', 'query_left_out'], { signed: { query: '' }, now: (TIME - 400) * 1000 }],
  ['hash and method', ['hash', 'method_changed'], { by: pkcs1('sha256'), signed: { method: 'GET' } }],
  [
    'three together',
    ['path_trailing_slash', 'query_left_out', 'method_changed'],
    { signed: { path: '/studies/7/', query: '', method: 'PUT' } },
  ],
  [
    'Go: escaped twice and in order',
    ['query_order', 'query_escaped_twice'],
    { came: { url: '/s?b=%20&a=1' }, signed: { query: 'b=%2520&a=1' } },
  ],
];

/** Of processor time, which a busy machine leaves as it is. A second is the bound; compilation and garbage collection, which run beside it, come on top. */
function secondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

describe('A failure that was prepared', () => {
  it.each(FAILURES)('is explained: %s', (_name, codes, failure) => {
    const before = process.cpuUsage();
    const { verdict, causes, parts, protocolVersion } = explain(failure);
    expect(causes.map(({ code }) => code)).toEqual(codes);
    expect(verdict).toBe(failure.verdict ?? 'explained');
    expect(protocolVersion).toBe(failure.version ?? 2);
    for (const { text, remedy } of causes) expect(`${text}${remedy}`).toMatch(/[\w`)]\.$/);
    expect(parts.length).toBeGreaterThan(4);
    expect(secondsSince(before)).toBeLessThan(4);
  });

  it.each([32, constants.RSA_PSS_SALTLEN_MAX_SIGN])(
    'is explained though the block of another hash may look like one of SHA-512 (salt %i)',
    (saltLength) => {
      // One block in 128 does.
      const codes = Array.from({ length: 600 }, () =>
        explain({ by: pss(saltLength, 'sha256') }).causes.map(({ code }) => code),
      );
      expect(codes.filter(([first, second]) => first !== 'padding_pss' || second !== 'hash')).toEqual([]);
    },
  );

  it('is unexplained where the text is too far away, and tells how many were tried', () => {
    const { verdict, causes, tried } = explain({ signed: { body: 'something else', path: '/elsewhere' } });
    expect({ verdict, causes }).toEqual({ verdict: 'unexplained', causes: [] });
    expect(tried).toBeGreaterThan(1000);
    expect(tried).toBeLessThanOrEqual(30_000);
  });

  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `patient ${id} é`, dose: id / 7 }));
  it.each([
    ['body, V1', 1, { body: JSON.stringify(rows) }],
    ['body, V2', 2, { body: JSON.stringify(rows) }],
    ['query', 2, { url: `/s?${rows.map(({ id }) => `id=${id}%20`).join('&')}` }],
    ['path, V1', 1, { url: `/${rows.map(({ id }) => `${id}%20`).join('/')}` }],
    ['semicolons', 2, { url: `/${';'.repeat(200_000)}/a` }],
    ['slashes', 2, { url: `/${'/'.repeat(200_000)}a` }],
    ['path, V2', 2, { url: `/${rows.map(({ id }) => `${id}%20;x`).join('/')}` }],
  ] as const)('takes no longer with a large part: %s', (_name, version, came) => {
    const before = process.cpuUsage();
    const { verdict } = explain({ version, came, signed: { path: '/far', query: 'far=1' } });
    expect(verdict).toBe('unexplained');
    expect(secondsSince(before)).toBeLessThan(4);
  });

  it('is compared with the string that the sender says it signed', () => {
    const body = '{"name":"Aspirin"}';
    const text = Buffer.from(`POST\n/far/studies/7\n${sha512Hex(body)}\n${APP}\n${TIME}\npage=1`);
    const signature = sign('sha512', text, pair.privateKey).toString('base64');
    const headers = { 'mcc-authentication': `MWSV2 ${APP}:${signature};`, 'mcc-time': String(TIME) };
    const request = { method: 'POST', url: '/studies/7?page=1', headers, body, publicKey: pair.publicKey };
    expect(explainRequest(request).verdict).toBe('unexplained');
    const { verdict, causes, parts } = explainRequest({ ...request, expected: text });
    expect({ verdict, codes: causes.map(({ code }) => code) }).toEqual({
      verdict: 'explained',
      codes: ['path_prefix_removed'],
    });
    expect(parts.find(({ name }) => name === 'path')).toEqual({
      name: 'path',
      received: '/studies/7',
      signed: '/far/studies/7',
      same: false,
    });
  });
});

describe('What the sender says it signed', () => {
  it('leaves a difference without a name unexplained, beside one with a name', () => {
    const text = Buffer.from(`POST\n/far/studies/7\n${sha512Hex('far away')}\n${APP}\n${TIME}\npage=1`);
    const signature = sign('sha512', text, pair.privateKey).toString('base64');
    const headers = { 'mcc-authentication': `MWSV2 ${APP}:${signature};`, 'mcc-time': String(TIME) };
    const { verdict, causes, parts } = explainRequest({
      method: 'POST',
      url: '/studies/7?page=1',
      headers: Object.entries(headers).values(),
      body: 'x',
      publicKey: pair.publicKey,
      expected: text,
    });
    expect(verdict).toBe('unexplained');
    expect(causes).toMatchObject([{ code: 'path_prefix_removed' }]);
    expect(parts.find(({ name }) => name === 'body')).toEqual({
      name: 'body',
      received: `1 bytes, SHA-512 ${sha512Hex('x')}`,
      signed: `SHA-512 ${sha512Hex('far away')}`,
      same: false,
    });
  });
});

describe('A request without a fault', () => {
  it.each([1, 2] as const)('is authentic, V%i', (version) => {
    expect(explain({ version })).toMatchObject({ verdict: 'authentic', causes: [], tried: 1 });
  });

  it('is authentic in a dialect that is accepted', () => {
    expect(explain({ came: { url: '/s?path=/a' }, signed: { query: 'path=/a' } }).verdict).toBe('authentic');
  });
});

describe('Headers', () => {
  const request = { method: 'GET', url: '/', publicKey: createPublicKey(pair.privateKey) };
  it.each([
    ['none', {}, 'headers_missing'],
    [
      'no time',
      { 'mcc-authentication': `MWSV2 ${APP}:${Buffer.alloc(256).toString('base64')};` },
      'headers_missing',
    ],
    ['no semicolon', { 'mcc-authentication': `MWSV2 ${APP}:AAAA`, 'mcc-time': '1' }, 'headers_malformed'],
    ['token of V1', { 'mcc-authentication': `MWS ${APP}:AAAA;`, 'mcc-time': '1' }, 'headers_malformed'],
    ['no UUID', { 'x-mws-authentication': 'MWS app:AAAA', 'x-mws-time': '1' }, 'headers_malformed'],
    [
      'time with a sign',
      { 'x-mws-authentication': `MWS ${APP}:${Buffer.alloc(256).toString('base64')}`, 'x-mws-time': '+1' },
      'headers_malformed',
    ],
  ])('are explained: %s', (_name, headers, code) => {
    expect(explainRequest({ ...request, headers: headers as Record<string, string> })).toMatchObject({
      verdict: 'explained',
      causes: [{ code }],
      tried: 0,
    });
  });
});
