import { request as httpRequest } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import {
  authenticatorOfTests,
  caller,
  onTheWire,
  SigningTarget,
  startProxy,
  wire,
} from './signing-target.js';

/** Numbers from a seed: the same mixture each time. */
function random(seed: number): () => number {
  return () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

interface Sent {
  readonly method: string;
  readonly target: string;
  readonly body: Buffer;
  readonly isChunked: boolean;
}

const PATHS = [
  '/studies',
  '//studies//1',
  '/a/../b',
  "/it's",
  '/a%2fb',
  '/caf%C3%A9',
  '/a;b=c/.',
  '/%zz',
  '/a/./',
];
const QUERIES = ['', '?', '?a=1&b=%20', '?q=%2F&q=/', '?a=b=c&', '?x=%E2%82%AC+'];

function mixture(count: number): Sent[] {
  const next = random(20_261_127);
  const one = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)];
  return Array.from({ length: count }, (_, at) => {
    const method = one(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
    const query = one(QUERIES);
    const hasBody = /P/.test(method) && method !== 'OPTIONS';
    const size = at % 50 === 0 ? 1024 * 1024 : Math.floor(next() * 2000);
    const bytes = Buffer.from(Array.from({ length: Math.min(size, 4096) }, () => Math.floor(next() * 256)));
    const plain = size > 4096 ? Buffer.alloc(size, bytes) : bytes;
    const body = !hasBody ? Buffer.alloc(0) : next() < 0.3 ? gzipSync(plain) : plain;
    return {
      method,
      target: `${one(PATHS)}${query}${query.length > 1 ? '&' : query ? '' : '?'}n=${at}`,
      body,
      isChunked: next() < 0.4,
    };
  });
}

function send(
  port: number,
  { method, target, body, isChunked }: Sent,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const framing =
      body.length === 0
        ? {}
        : isChunked
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': body.length };
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method,
      path: target,
      headers: framing,
      agent: false,
    });
    request.on('error', reject).on('response', (answer) => {
      buffer(answer).then((bytes) => resolve({ status: answer.statusCode ?? 0, body: bytes }), reject);
    });
    const half = Math.floor(body.length / 2);
    if (half > 0) request.write(body.subarray(0, half));
    request.end(body.subarray(half));
  });
}

describe('SigningProxy in front of a target', () => {
  const target = new SigningTarget();
  let stops: (() => Promise<void>)[] = [];
  beforeAll(() => target.start());
  afterAll(() => target.stop());
  beforeEach(() => {
    target.arrived.length = 0;
    target.answer = (_, response) => target.signed(response, 200, Buffer.from('well'));
  });
  afterEach(async () => {
    for (const stop of stops) await stop();
    stops = [];
  });

  const start = async (options: Partial<Parameters<typeof startProxy>[0]> = {}) => {
    const started = await startProxy({
      target: target.url,
      authenticator: authenticatorOfTests(),
      ...options,
    });
    stops.push(() => started.proxy.close());
    return { ...started, own: `Host: 127.0.0.1:${started.port}` };
  };

  it('passes on 1,000 mixed requests, 100 at a time, byte by byte and signed', async () => {
    const { port } = await start();
    target.answer = (_, response, { body }) => target.signed(response, 200, Buffer.from(String(body.length)));
    const all = mixture(1000);
    const waiting = [...all];
    const statuses: number[] = [];
    const work = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop())
        statuses.push((await send(port, next)).status);
    };
    await Promise.all(Array.from({ length: 100 }, work));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    const byUrl = new Map(target.arrived.map((one) => [one.url, one]));
    expect(byUrl.size).toBe(1000);
    for (const { method, target: url, body } of all) {
      const arrived = byUrl.get(url);
      expect({ url, method: arrived?.method, isAuthentic: arrived?.isAuthentic }).toEqual({
        url,
        method,
        isAuthentic: true,
      });
      if (!arrived?.body.equals(body)) throw new Error(`another body at ${url}`);
    }
  }, 120_000);

  it('keeps order and case of headers, and takes away those of the connection and old signatures', async () => {
    const { port, own } = await start({ headers: [['X-Api-Key', 'k']] });
    const answer = await onTheWire(
      port,
      wire(
        'POST /a?b',
        [
          own,
          'X-Z: 1',
          'x-a: \xe9',
          'x-Z: 2',
          'MCC-Authentication: old',
          'mcc-time: 1',
          'TE: trailers',
          'X-Hop: 1',
          'x-api-key: mine',
          'Content-length: 2',
          'Connection: X-Hop',
        ],
        'hi',
      ),
    );
    expect(answer.status).toBe(200);
    const [{ rawHeaders = [], isAuthentic } = {}] = target.arrived;
    expect(isAuthentic).toBe(true);
    expect(rawHeaders.slice(0, 12)).toEqual([
      'Host',
      `127.0.0.1:${target.port}`,
      'X-Z',
      '1',
      'x-a',
      '\xe9',
      'x-Z',
      '2',
      'Content-length',
      '2',
      'X-Api-Key',
      'k',
    ]);
    expect(rawHeaders.join()).not.toMatch(/old|X-Hop|trailers|mine/);
  });

  it.each([
    ['HEAD', 200, 'abcdef', /Content-Length: 6/i],
    ['GET', 204, '', /204/],
    ['GET', 304, '', /304/],
    ['GET', 200, '', /200/],
  ])('passes on the answer to %s with status %i', async (method, status, body, head) => {
    const { port, own } = await start();
    target.answer = (_, response) =>
      target.signed(response, status, Buffer.from(body), method === 'HEAD' ? { 'Content-Length': 6 } : {});
    const answer = await onTheWire(port, wire(`${method} /`, [own]));
    expect(answer).toMatchObject({ status, head: expect.stringMatching(head) });
    expect(answer.body.toString()).toBe(
      method === 'HEAD' ? '' : answer.head.includes('chunked') ? '0\r\n\r\n' : '',
    );
  });

  it('passes on a compressed answer as it came', async () => {
    const { port, own } = await start();
    const bytes = gzipSync('x'.repeat(5000));
    target.answer = (_, response) => target.signed(response, 200, bytes, { 'Content-Encoding': 'gzip' });
    const answer = await onTheWire(port, wire('GET /', [own, 'Accept-Encoding: gzip']));
    expect(answer.body.equals(bytes)).toBe(true);
  });

  it.each<[string, (typeof target)['answer'], number, RegExp]>([
    ['unsigned', (_, response) => response.end('x'), 502, /missing_headers.*--no-authenticate/],
    [
      'forged',
      async (_, response) =>
        response.writeHead(200, await caller.signer.signResponse({ status: 200, body: 'other' })).end('x'),
      502,
      /signature_mismatch/,
    ],
    [
      'too long, and says so',
      (_, response) => response.writeHead(200, { 'content-length': 11e6 }).write('x'),
      502,
      /10 MiB/,
    ],
    [
      'too long',
      (_, response) =>
        target.signed(response, 200, Buffer.alloc(10 * 1024 * 1024 + 1), { 'transfer-encoding': 'chunked' }),
      502,
      /10 MiB/,
    ],
    [
      'cut off',
      (_, response) => (
        response.writeHead(200, { 'content-length': 5 }).write('x'),
        setTimeout(() => response.destroy(), 50)
      ),
      502,
      /middle of its answer/,
    ],
  ])('does not pass on an answer that is %s', async (_, answer, status, text) => {
    const { port, own, lines } = await start();
    target.answer = answer;
    const got = await onTheWire(port, wire('GET /a?secret=1', [own]));
    expect([got.status, got.body.toString()]).toEqual([status, expect.stringMatching(text)]);
    expect(lines.join()).toMatch(new RegExp(`^GET /a ${status} \\d+ ms: `));
    expect(lines.join()).not.toContain('secret');
  });

  it('passes on the longest answer that is authenticated', async () => {
    const { port, own } = await start();
    target.answer = (_, response) => target.signed(response, 200, Buffer.alloc(10 * 1024 * 1024));
    expect((await onTheWire(port, wire('GET /', [own]))).status).toBe(200);
  });

  it('says 503 where it cannot be decided whether the answer is authentic', async () => {
    const authenticator = authenticatorOfTests(async () => Promise.reject(new Error('away')));
    const { port, own } = await start({ authenticator });
    const { status, body } = await onTheWire(port, wire('GET /', [own]));
    expect([status, body.toString()]).toEqual([
      503,
      expect.stringMatching(/could not be decided \(key_lookup_failed\)/),
    ]);
  });

  it('streams answers without an authenticator', async () => {
    const { url } = await start({ authenticator: undefined });
    let more: () => void = () => undefined;
    target.answer = (_, response) => {
      response.write('first');
      more = () => response.end('second');
    };
    const { body } = await fetch(url);
    const reader = body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('first');
    more();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('second');
  });

  it('answers 502 while the target is down, and goes on when it is back', async () => {
    const { url } = await start();
    expect((await fetch(url)).status).toBe(200);
    await target.stop();
    const down = await fetch(url, { method: 'POST', body: 'x' });
    expect([down.status, await down.text()]).toEqual([
      502,
      expect.stringContaining('refuses the connection'),
    ]);
    await target.start();
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it('answers 504 where the target says nothing', async () => {
    const { url } = await start({ timeoutMs: 100 });
    target.answer = () => undefined;
    expect((await fetch(url)).status).toBe(504);
    target.answer = (_, response) => response.writeHead(200, { 'content-length': 9 }).write('x');
    expect((await fetch(url)).status).toBe(504);
  });

  it.each([
    ['Content-Length: 101', 'x'.repeat(101)],
    ['Transfer-Encoding: chunked', `65\r\n${'x'.repeat(101)}\r\n0\r\n\r\n`],
  ])('answers 413 to a longer body than --max-body (%s)', async (framing, body) => {
    const { port, own } = await start({ maxBody: 100 });
    const answer = await onTheWire(port, wire('POST /', [own, framing], body));
    expect([answer.status, answer.body.toString()]).toEqual([413, expect.stringContaining('--max-body')]);
    expect(target.arrived).toEqual([]);
  });

  it('asks for the body where the client expects 100-continue', async () => {
    const { port, own } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST / HTTP/1.1\r\n${own}\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    );
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1.1 100 Continue/);
    socket.write('hi');
    expect((await buffer(socket)).toString()).toMatch(/^HTTP\/1.1 200/);
    expect(target.arrived[0]?.body.toString()).toBe('hi');
  });

  it('lets the target go when the client goes away', async () => {
    const { port, own, lines } = await start();
    const hungUp = new Promise(
      (resolve) => (target.answer = (request) => request.socket.on('close', resolve)),
    );
    const socket = connect(port, '127.0.0.1');
    socket.write(wire('GET /', [own]));
    while (target.arrived.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    await hungUp;
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(lines).toEqual(['GET /: the client went away']);
  });

  it.each([
    ['WebSocket', 'GET /', ['Upgrade: websocket'], 501],
    ['h2c, which may be passed over', 'GET /', ['Upgrade: h2c'], 200],
    ['a tunnel', 'CONNECT example.com:443', [], 501],
    ['an absolute target', 'GET http://example.com/', [], 400],
    ['OPTIONS *', 'OPTIONS *', [], 400],
  ])('answers to %s', async (_, startLine, headers, status) => {
    const { port, own } = await start();
    expect((await onTheWire(port, wire(startLine, [own, ...headers]))).status).toBe(status);
  });

  it.each<[string, (port: number) => string[], number]>([
    ['its own Host', (port) => [`Host: LocalHost:${port}`], 200],
    ['its own address in IPv6', (port) => [`Host: [::1]:${port}`], 200],
    [
      'its own Origin',
      (port) => [
        `Host: localhost:${port}`,
        `Origin: http://localhost:${port}`,
        'Sec-Fetch-Site: same-origin',
      ],
      200,
    ],
    ['an address that was typed', (port) => [`Host: localhost:${port}`, 'Sec-Fetch-Site: none'], 200],
    [
      'an allowed Origin',
      (port) => [`Host: localhost:${port}`, 'Origin: https://docs.example.com', 'Sec-Fetch-Site: cross-site'],
      200,
    ],
    ['no Host', () => [], 403],
    ['an empty Host', () => ['Host:'], 403],
    ['a foreign Host', (port) => [`Host: evil.example:${port}`], 403],
    ['a Host with a dot behind it', (port) => [`Host: localhost.:${port}`], 403],
    ['a Host with user name', (port) => [`Host: 127.0.0.1:${port}@evil.example`], 403],
    ['another port', (port) => [`Host: localhost:${port + 1}`], 403],
    ['no port', () => ['Host: localhost'], 403],
    ['two Hosts', (port) => [`Host: localhost:${port}`, `Host: localhost:${port}`], 403],
    ['a foreign Origin', (port) => [`Host: localhost:${port}`, 'Origin: http://evil.example'], 403],
    [
      'an Origin that begins like an allowed one',
      (port) => [`Host: localhost:${port}`, 'Origin: https://docs.example.com.evil.example'],
      403,
    ],
    [
      'its own Origin by another name',
      (port) => [`Host: localhost:${port}`, `Origin: http://127.0.0.1:${port}`],
      403,
    ],
    [
      'its own Origin with https',
      (port) => [`Host: localhost:${port}`, `Origin: https://localhost:${port}`],
      403,
    ],
    ['the Origin null', (port) => [`Host: localhost:${port}`, 'Origin: null'], 403],
    [
      'two Origins',
      (port) => [`Host: localhost:${port}`, `Origin: https://docs.example.com`, 'Origin: null'],
      403,
    ],
    ['another site', (port) => [`Host: localhost:${port}`, 'Sec-Fetch-Site: cross-site'], 403],
    ['another port of this machine', (port) => [`Host: localhost:${port}`, 'Sec-Fetch-Site: same-site'], 403],
    [
      'a foreign Host with an allowed Origin',
      (port) => [`Host: evil.example:${port}`, 'Origin: https://docs.example.com'],
      403,
    ],
  ])('looks who asks: %s', async (_, headers, status) => {
    const { port } = await start({ allowedOrigins: ['https://docs.example.com'] });
    const answer = await onTheWire(port, wire('GET /', headers(port)));
    expect(answer.status).toBe(status);
    expect(target.arrived.length).toBe(status === 200 ? 1 : 0);
  });

  it('answers the preflight of an allowed page itself, and lets it read answers', async () => {
    const { port, own } = await start({ allowedOrigins: ['https://docs.example.com'] });
    const origin = 'Origin: https://docs.example.com';
    const asked = ['Access-Control-Request-Method: PUT', 'Access-Control-Request-Headers: x-a'];
    const preflight = await onTheWire(port, wire('OPTIONS /', [own, origin, ...asked]));
    expect(preflight.status).toBe(204);
    expect(preflight.head).toMatch(
      /Allow-Origin: https:\/\/docs.example.com\r\n[^]*Allow-Methods: PUT\r\n[^]*Allow-Headers: x-a/,
    );
    expect(target.arrived).toEqual([]);
    expect((await onTheWire(port, wire('OPTIONS /', [own, 'Origin: null', ...asked]))).status).toBe(403);
    expect((await onTheWire(port, wire('GET /', [own, origin]))).head).toMatch(
      /Access-Control-Allow-Origin: https:/,
    );
    await expect(onTheWire(port, wire('GET /', [own]))).resolves.toMatchObject({
      head: expect.not.stringMatching(/Access-Control/),
    });
  });

  it.each<[string, string]>([
    [
      'both lengths',
      'POST / HTTP/1.1\r\nOWN\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'POST / HTTP/1.1\r\nOWN\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
    [
      'an unknown transfer coding',
      'POST / HTTP/1.1\r\nOWN\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    ],
    ['a bare line feed in a header', 'GET / HTTP/1.1\r\nOWN\r\nX-A: 1\nX-B: 2\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nOWN\r\nX-A : 1\r\n\r\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nOWN\r\n\r\n'],
  ])('sends nothing on that could be read in two ways: %s', async (_, text) => {
    const { port, own } = await start();
    const { status } = await onTheWire(port, text.replace('OWN', `${own}\r\nConnection: close`));
    expect(target.arrived).toEqual([]);
    expect(status).toBe(400);
  });

  it('sends a folded header on in one line or not at all', async () => {
    const { port, own } = await start();
    const { status } = await onTheWire(port, wire('GET /', [own, 'X-A: 1\r\n X-B: 2']));
    expect([200, 400]).toContain(status);
    expect(target.arrived.flatMap(({ rawHeaders }) => rawHeaders)).not.toContain('X-B');
  });

  it('keeps length and Host, also where the Connection header names them', async () => {
    const { port, own } = await start();
    const text = `POST / HTTP/1.1\r\n${own}\r\nContent-Length: 2\r\nConnection: close, content-length, host\r\n\r\nhi`;
    expect((await onTheWire(port, text)).status).toBe(200);
    expect(target.arrived[0]?.body.toString()).toBe('hi');
  });

  it('puts targets behind the path of its own target', async () => {
    const { url } = await start({ target: `${target.url}/v1//x/` });
    await fetch(`${url}/a?b`);
    expect(target.arrived).toMatchObject([{ url: '/v1//x/a?b', isAuthentic: true }]);
  });

  it('does not listen beyond the loopback', async () => {
    const { port } = await start();
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of others) {
      await expect(onTheWire(port, 'GET / HTTP/1.1\r\n\r\n', address)).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      });
    }
    // The port is free on every other address, even where this machine has only the loopback.
    const other = createServer().listen(port, '127.0.0.2');
    await once(other, 'listening');
    expect((other.address() as AddressInfo).port).toBe(port);
    other.close();
  });

  it.each([
    [{}, /either a target or/],
    [{ target: 'https://a', browserOrigins: ['https://b'] }, /either a target or/],
    [{ target: 'ftp://a' }, /target of the proxy/],
    [{ target: 'https://u:p@a' }, /target of the proxy/],
    [{ target: 'https://a/?q' }, /target of the proxy/],
    [{ browserOrigins: ['https://a/path'] }, /origin of the browser mode/],
    [{ browserOrigins: ['https://a', 'http://a'] }, /list one/],
    [{ target: 'https://a', allowedOrigins: ['null'] }, /allowed origin/],
    [{ target: 'https://a', headers: [['a b', 'c']] }, /cannot be sent/],
    [{ target: 'https://a', headers: [['X', 'c\r\nY: d']] }, /cannot be sent/],
    [{ target: 'https://a', headers: [['Content-Length', '1']] }, /set by the proxy/],
  ] as const)('refuses %j', async (options, message) => {
    await expect(startProxy(options as never)).rejects.toThrow(message);
  });
});
