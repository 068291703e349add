import { type IncomingMessage, type ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { type MAuthFailureCode, type MAuthResult } from '../../lib/authentication/result.js';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { type MAuthServiceAnswer } from '../../lib/testing/fake-mauth-service.js';
import { createKeyPair } from '../support/key-pair.js';
import { settingsOf } from '../support/key-settings.js';
import { MAuthServiceStandIn, securityToken } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';

/** Short where the deadline itself decides; long where an answer must arrive also on a busy machine. */
const deadlineFor = (decision: string): number => (decision === 'service_unavailable' ? 300 : 2000);
const GRACE_MS = 300;
const MAX_GROWTH = 20 * 1024 * 1024;

// Bounds of real time are tested: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const own = createTestApp();
const caller = createTestApp();
const stranger = createTestApp();
const callerSigns = new MAuthSigner({
  appUuid: caller.appUuid,
  privateKey: caller.privateKey,
  signVersions: 'v2',
});
const good = JSON.stringify(securityToken(caller));

/** Statuses and bodies; the headers may be odd ones. */
const answer =
  (
    status: number,
    body: string | Buffer = '',
    headers: Record<string, string | string[]> = {},
  ): MAuthServiceAnswer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
const token = (changes: object): MAuthServiceAnswer =>
  answer(200, JSON.stringify({ security_token: { ...securityToken(caller).security_token, ...changes } }));
/** Bytes instead of HTTP as Node would write it. */
const raw =
  (bytes: string | Buffer): MAuthServiceAnswer =>
  (request) =>
    void request.socket.end(bytes);
const pem = (type: 'ec' | 'ed25519' | 'rsa-pss' | 'rsa', options: object = {}) =>
  createKeyPair(type, options).publicKeyPem;
/** Writes on and on, as fast as it is read or slowly, until the caller hangs up. */
const endless =
  (status: number, chunk: Buffer, everyMs: number): MAuthServiceAnswer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    const timer = setInterval(() => response.write(chunk), everyMs);
    response.on('close', () => clearInterval(timer));
  };
const flood =
  (total: number): MAuthServiceAnswer =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': total });
    const chunk = Buffer.alloc(256 * 1024, ' ');
    let sent = 0;
    const write = () => {
      while (sent < total && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', write);
      }
      response.end();
    };
    write();
  };

type Decision = 'authentic' | MAuthFailureCode;
type Fault = readonly [name: string, decision: Decision, answer: MAuthServiceAnswer];

const UNAVAILABLE: readonly Fault[] = (
  [
    ['accepts the connection and never answers', () => undefined],
    ['hangs up without an answer', (request) => request.socket.destroy()],
    ['resets the connection', (request) => request.socket.resetAndDestroy()],
    ['cuts the answer in the status line', raw('HTTP/1.1 20')],
    ['cuts the answer in the headers', raw('HTTP/1.1 200 OK\r\nContent-Type: appl')],
    [
      'cuts the answer in the body',
      raw(`HTTP/1.1 200 OK\r\nContent-Length: ${good.length}\r\n\r\n${good.slice(0, 90)}`),
    ],
    [
      'cuts the answer in a chunk',
      raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{"security'),
    ],
    [
      'drips the headers byte by byte',
      drip('HTTP/1.1 200 OK\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
    ],
    ['drips the body byte by byte', endless(200, Buffer.from(' '), 20)],
    ['does not speak HTTP', raw('SSH-2.0-OpenSSH_9.2p1\r\n')],
    [
      'sends 1 MiB of headers',
      raw(`HTTP/1.1 200 OK\r\n${`X-Much: ${'a'.repeat(1000)}\r\n`.repeat(1000)}\r\n`),
    ],
    [
      'sends conflicting lengths',
      raw(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456`),
    ],
    ['sends 100 Continue for ever', continueForEver],
    [
      'switches protocols',
      raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'),
    ],
    ['answers 429', answer(429)],
    ['answers 500', answer(500)],
    ['answers 500 with a good token', answer(500, good)],
    ['answers 502 in HTML', answer(502, '<html>Bad gateway</html>')],
    ['answers 503 with Retry-After', answer(503, '', { 'retry-after': '1' })],
    ['answers 504', answer(504)],
    ['answers 500 with an endless body', endless(500, Buffer.alloc(65_536), 1)],
  ] as [string, MAuthServiceAnswer][]
).map(([name, fault]) => [name, 'service_unavailable', fault] as const);

const MALFORMED: readonly Fault[] = (
  [
    ['answers 204', answer(204)],
    ['answers 201 with a good token', answer(201, good)],
    ['answers 206 with a good token', answer(206, good)],
    ['redirects (301) to a good token', redirect(301)],
    ['redirects (302) to a good token', redirect(302)],
    ['redirects (307) to a good token', redirect(307)],
    [
      'redirects (308) to itself',
      (request, response) => response.writeHead(308, { location: request.url }).end(),
    ],
    ['answers 300', answer(300, good)],
    ['answers 304', answer(304)],
    ['answers 400', answer(400)],
    ['answers 410', answer(410)],
    ['answers 418 with a good token', answer(418, good)],
    ['answers 200 with nothing', answer(200)],
    ['answers 200 with HTML', answer(200, '<html>Maintenance</html>', { 'content-type': 'text/html' })],
    ['answers 200 with truncated JSON', answer(200, good.slice(0, -3))],
    ['answers 200 with something behind the JSON', answer(200, `${good}x`)],
    [
      'answers in UTF-16',
      answer(200, Buffer.from(good, 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }),
    ],
    [
      'answers in bytes that are no UTF-8',
      answer(200, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(good)])),
    ],
    ['answers null', answer(200, 'null')],
    ['answers a number', answer(200, '42')],
    ['answers a list', answer(200, `[${good}]`)],
    ['answers JSON 30,000 deep', answer(200, '['.repeat(30_000) + ']'.repeat(30_000))],
    ['answers a token that is null', answer(200, '{"security_token":null}')],
    ['answers a token that is text', answer(200, '{"security_token":"public_key_str"}')],
    ['answers a token without app_uuid', token({ app_uuid: undefined })],
    ['answers a token whose app_uuid is a list', token({ app_uuid: [caller.appUuid] })],
    ['answers the token of another app', answer(200, JSON.stringify(securityToken(stranger)))],
    ['answers the key under the UUID of another app', token({ app_uuid: stranger.appUuid })],
    ['answers a token without key', token({ public_key_str: undefined })],
    ['answers a key that is null', token({ public_key_str: null })],
    ['answers a key that is a number', token({ public_key_str: 1 })],
    ['answers a key that is an object', token({ public_key_str: { toString: caller.publicKeyPem } })],
    ['answers the token as a prototype only', answer(200, `{"__proto__":${good}}`)],
    [
      'answers the key as a prototype only',
      answer(200, `{"security_token":{"__proto__":${JSON.stringify(securityToken(caller).security_token)}}}`),
    ],
    [
      'answers two tokens',
      answer(200, `${JSON.stringify(securityToken(stranger)).slice(0, -1)},${good.slice(1)}`),
    ],
    [
      'answers two keys, one of them spelt with an escape',
      answer(200, good.replace('"public_key_str"', '"public\\u005fkey_str":"","public_key_str"')),
    ],
    [
      'answers two UUIDs',
      answer(200, good.replace('"app_uuid"', `"app_uuid":"${stranger.appUuid}","app_uuid"`)),
    ],
    ['answers 64 KiB and one byte', answer(200, good.padEnd(65_537))],
    ['answers 200 MB', flood(200_000_000)],
    ['answers without end', endless(200, Buffer.alloc(65_536, ' '), 1)],
    [
      'answers with a gzip bomb',
      answer(200, gzipSync(Buffer.alloc(50_000_000, ' ')), { 'content-encoding': 'gzip' }),
    ],
    [
      'answers with a deflate bomb',
      answer(200, deflateSync(Buffer.alloc(50_000_000, ' ')), { 'content-encoding': 'deflate' }),
    ],
    [
      'answers with a brotli bomb',
      answer(200, brotliCompressSync(Buffer.alloc(50_000_000, ' ')), { 'content-encoding': 'br' }),
    ],
    [
      'answers with truncated gzip',
      answer(200, gzipSync(good).subarray(0, 200), { 'content-encoding': 'gzip' }),
    ],
    ['announces gzip and sends none', answer(200, good, { 'content-encoding': 'gzip' })],
    ['answers in an unknown encoding', answer(200, good, { 'content-encoding': 'zstd' })],
    [
      'answers in a twofold encoding',
      answer(200, gzipSync(gzipSync(good)), { 'content-encoding': 'gzip, gzip' }),
    ],
    ['names an encoding that every object has', answer(200, good, { 'content-encoding': 'constructor' })],
  ] as [string, MAuthServiceAnswer][]
).map(([name, fault]) => [name, 'service_answer_malformed', fault] as const);

const OWN_APP_REFUSED: readonly Fault[] = (
  [
    ['answers 401', answer(401)],
    ['answers 401 with a good token', answer(401, good)],
    ['answers 403', answer(403)],
  ] as [string, MAuthServiceAnswer][]
).map(([name, fault]) => [name, 'own_app_refused', fault] as const);

const UNUSABLE: readonly Fault[] = (
  [
    ['empty text', ''],
    ['text that is no PEM', 'a key'],
    ['a private key', caller.privateKeyPem],
    ['an EC key', pem('ec', { namedCurve: 'P-256' })],
    ['an Ed25519 key', pem('ed25519')],
    ['an RSA-PSS key', pem('rsa-pss', { modulusLength: 2048 })],
    ['an RSA key of 1,024 bits', pem('rsa', { modulusLength: 1024 })],
    ['an RSA key with exponent 3', pem('rsa', { modulusLength: 2048, publicExponent: 3 })],
    ['two keys', caller.publicKeyPem + caller.publicKeyPem],
    ['a truncated key', caller.publicKeyPem.replace(/\n.{64}\n/, '\n')],
    ['60 KiB of PEM', caller.publicKeyPem.replace('\n', `\n${'A'.repeat(60_000)}`)],
  ] as [string, string][]
).map(
  ([name, public_key_str]) =>
    [`hands out ${name}`, 'unusable_public_key', token({ public_key_str })] as const,
);

const DECIDED: readonly Fault[] = [
  ['answers 404', 'unknown_app', answer(404)],
  ['answers 404 with a good token', 'unknown_app', answer(404, good)],
  ['answers 404 with an endless body', 'unknown_app', endless(404, Buffer.alloc(65_536), 1)],
  ['answers 404 and drips', 'unknown_app', endless(404, Buffer.from(' '), 20)],
  ['answers 412', 'unknown_app', answer(412)],
  [
    'hands out the key of another app',
    'signature_mismatch',
    token({ public_key_str: stranger.publicKeyPem }),
  ],
  ['answers a good token as text/plain', 'authentic', answer(200, good, { 'content-type': 'text/plain' })],
  ['answers a good token in upper-case UUID', 'authentic', token({ app_uuid: caller.appUuid.toUpperCase() })],
  ['answers a good token of 64 KiB', 'authentic', answer(200, good.padEnd(65_536))],
  ['answers a good token behind a byte order mark', 'authentic', answer(200, `\ufeff${good}`)],
  ['answers a good token in gzip', 'authentic', answer(200, gzipSync(good), { 'content-encoding': 'GZIP' })],
  [
    'answers a good token in deflate',
    'authentic',
    answer(200, deflateSync(good), { 'content-encoding': 'deflate' }),
  ],
  [
    'answers a good token in brotli',
    'authentic',
    answer(200, brotliCompressSync(good), { 'content-encoding': 'br' }),
  ],
  [
    'hints at something (103) before a good token',
    'authentic',
    raw(`HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${good.length}\r\n\r\n${good}`),
  ],
];

const FAULTS = [...UNAVAILABLE, ...MALFORMED, ...OWN_APP_REFUSED, ...UNUSABLE, ...DECIDED];

describe(`when the MAuth service (${FAULTS.length} cases)`, () => {
  let service: MAuthServiceStandIn;

  beforeAll(async () => {
    service = await MAuthServiceStandIn.start({ apps: [own, caller] });
  });
  afterAll(() => service.stop());

  it.each(FAULTS)('%s: %s', async (name, decision, fault) => {
    service.fail(fault);
    const before = process.memoryUsage().rss;
    const { result, took } = await authenticate(service.url, decision);
    expect(decisionOf(result)).toBe(decision);
    expect(statusOf(result)).toBe(expectedStatus(decision));
    expect(took).toBeLessThan(deadlineFor(decision) + GRACE_MS);
    if (/200 MB|without end|endless|bomb/.test(name))
      expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH);
  });

  it('has answered, and this process is too busy to read it before the deadline: authentic', async () => {
    service.fail((...of) => {
      answer(200, good)(...of);
      // The answer is with the kernel; timers are looked at before sockets.
      const busyUntil = performance.now() + deadlineFor('service_unavailable') + 200;
      while (performance.now() < busyUntil);
    });
    const { result } = await authenticate(service.url, 'service_unavailable');
    expect(decisionOf(result)).toBe('authentic');
  });

  it('refuses connections: service_unavailable', async () => {
    await service.stop();
    const { result, took } = await authenticate(service.url);
    await service.restart();
    expect(decisionOf(result)).toBe('service_unavailable');
    expect(took).toBeLessThan(deadlineFor('service_unavailable') + GRACE_MS);
  });

  it('has a name that nobody knows: service_unavailable', async () => {
    const { result, took } = await authenticate('https://mauth.invalid');
    expect(decisionOf(result)).toBe('service_unavailable');
    expect(took).toBeLessThan(deadlineFor('service_unavailable') + GRACE_MS);
  });

  it('speaks no TLS where https is asked for: service_unavailable', async () => {
    const { result } = await authenticate(service.url.replace('http:', 'https:'));
    expect(decisionOf(result)).toBe('service_unavailable');
  });
});

/** One request of the caller, authenticated by an application that has just started. */
async function authenticate(
  mauthUrl: string,
  decision = 'service_unavailable',
): Promise<{ result: MAuthResult; took: number }> {
  const { settings, signer } = settingsOf(own, { mauthUrl, service: { deadlineMs: deadlineFor(decision) } });
  const keys = createPublicKeys(settings, signer);
  const authenticator = new MAuthAuthenticator({ settings, keys });
  const request = { method: 'GET', url: '/studies?page=1' };
  const headers = await callerSigns.signRequest(request);
  const started = performance.now();
  const result = await authenticator.authenticateRequest({ ...request, headers, body: null });
  const took = performance.now() - started;
  keys?.close();
  return { result, took };
}

function decisionOf(result: MAuthResult): Decision {
  return result.authentic ? 'authentic' : result.code;
}

function statusOf(result: MAuthResult): number {
  return result.authentic ? 200 : result.status;
}

function expectedStatus(decision: Decision): number {
  if (decision === 'authentic') return 200;
  return decision === 'unknown_app' || decision === 'signature_mismatch' ? 401 : 503;
}

function drip(text: string): MAuthServiceAnswer {
  return ({ socket }) => {
    let at = 0;
    const timer = setInterval(() => socket.write(text[at++ % text.length] ?? ''), 20);
    socket.on('close', () => clearInterval(timer));
    socket.on('error', () => undefined);
  };
}

function continueForEver({ socket }: IncomingMessage): void {
  const timer = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 20);
  socket.on('close', () => clearInterval(timer));
  socket.on('error', () => undefined);
}

/** To a place where the good token is. */
function redirect(status: number): MAuthServiceAnswer {
  return (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/good') answer(200, good)(request, response, Buffer.alloc(0));
    else response.writeHead(status, { location: '/good' }).end();
  };
}
