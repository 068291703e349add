import { once } from 'node:events';
import { createServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { BrowserOrigins } from '../../lib/cli/proxy/destination.js';
import { LOOPBACK_CERTIFICATE } from '../support/loopback-certificate.js';
import { authenticatorOfTests, onTheWire, SigningTarget, startProxy, wire } from './signing-target.js';

describe('SigningProxy in browser mode', () => {
  const listed = new SigningTarget();
  const other = new SigningTarget();
  let started: Awaited<ReturnType<typeof startProxy>>;
  beforeAll(async () => {
    await listed.start();
    await other.start();
    started = await startProxy({
      browserOrigins: [listed.url],
      allowedOrigins: ['https://docs.example.com'],
      authenticator: authenticatorOfTests(),
      headers: [['X-Api-Key', 'k']],
    });
  });
  afterAll(async () => {
    await started.proxy.close();
    await listed.stop();
    await other.stop();
  });
  beforeEach(() => {
    listed.arrived.length = 0;
    other.arrived.length = 0;
  });

  it.each<[string, (own: string) => string[], boolean]>([
    ['an address that was typed', () => [], true],
    ['a page of the same origin', (own) => [`Origin: ${own}`, `Referer: ${own}/x`], true],
    ['a link on a page of the same origin', (own) => [`Referer: ${own}/x`], true],
    [
      'an allowed page',
      () => ['Origin: https://docs.example.com', 'Referer: https://docs.example.com/'],
      true,
    ],
    ['a page of another origin', () => ['Origin: http://evil.example'], false],
    ['a page of an origin that begins alike', (own) => [`Origin: ${own}0`], false],
    ['a page without origin', () => ['Origin: null'], false],
    ['a link on another page', () => ['Referer: http://evil.example/'], false],
    ['a page that the browser calls cross-site', () => ['Sec-Fetch-Site: cross-site'], false],
    ['a page that the browser calls same-site', () => ['Sec-Fetch-Site: same-site'], false],
  ])('signs a request to a listed origin or not: %s', async (_, headers, isAuthentic) => {
    const { status } = await onTheWire(
      started.port,
      wire(`POST ${listed.url}//a/../b?'`, [`Host: x`, ...headers(listed.url), 'Content-Length: 2'], 'hi'),
    );
    expect(status).toBe(200);
    expect(listed.arrived).toMatchObject([{ url: "//a/../b?'", isAuthentic }]);
    const [{ rawHeaders = [], body } = {}] = listed.arrived;
    expect(body?.toString()).toBe('hi');
    expect(rawHeaders.slice(0, 2)).toEqual(['Host', `127.0.0.1:${listed.port}`]);
    expect(rawHeaders.includes('X-Api-Key')).toBe(isAuthentic);
  });

  it('passes on what goes to other origins as it is', async () => {
    const target = `${other.url}/a?b`;
    const { status } = await onTheWire(
      started.port,
      wire(`PUT ${target}`, ['Host: x', 'Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n'),
    );
    expect(status).toBe(200);
    expect(other.arrived).toMatchObject([{ url: '/a?b', isAuthentic: false, body: Buffer.from('hi') }]);
    expect(other.arrived[0]?.rawHeaders.join()).not.toMatch(/mws|mcc|X-Api-Key/i);
    expect(started.lines.at(-1)).toMatch(
      /^PUT http:\/\/127.0.0.1:\d+\/a 200 \d+ ms: not signed: another origin$/,
    );
  });

  it.each([
    ['user name', (url: string) => url.replace('//', '//u:p@')],
    ['the listed origin as user name', (url: string) => `${url}@127.0.0.1:1`],
    ['a path of its own', () => '/a'],
    ['https', () => 'https://example.com/'],
    ['no host', () => 'http:///a'],
    ['a broken address in IPv6', () => 'http://[::1/a'],
  ])('refuses a target with %s', async (_, target) => {
    const { status } = await onTheWire(started.port, wire(`GET ${target(`${listed.url}`)}`, ['Host: x']));
    expect(status).toBe(400);
    expect(listed.arrived).toEqual([]);
  });

  it.each(['http://localhost', 'http://127.0.0.1', 'http://127.1', 'http://[::ffff:127.0.0.1]'])(
    'does not call itself (%s)',
    async (origin) => {
      const answer = await onTheWire(started.port, wire(`GET ${origin}:${started.port}/`, ['Host: x']));
      expect([answer.status, answer.body.toString()]).toEqual([400, expect.stringContaining('come back')]);
    },
  );

  it('tunnels to other hosts, and says what to do for a listed one', async () => {
    const secure = createServer(LOOPBACK_CERTIFICATE).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port } = secure.address() as AddressInfo;
    const { proxy, port: own } = await startProxy({ browserOrigins: [`https://127.0.0.1:${port}`] });
    try {
      const refused = await onTheWire(own, wire(`CONNECT 127.0.0.1:${port}`, ['Host: x']));
      expect([refused.status, refused.body.toString()]).toEqual([
        501,
        expect.stringContaining(`Open http://127.0.0.1:${port} instead`),
      ]);
      const socket = connect(own, '127.0.0.1');
      socket.write(`CONNECT 127.0.0.1:${other.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first.toString()).toMatch(/^HTTP\/1.1 200/);
      socket.write('GET /through HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      socket.destroy();
      expect(other.arrived).toMatchObject([{ url: '/through', isAuthentic: false }]);
      expect((await onTheWire(own, wire(`CONNECT 127.0.0.1:${own}`, ['Host: x']))).status).toBe(400);
      expect((await onTheWire(own, wire('CONNECT 127.0.0.1:1', ['Host: x']))).status).toBe(502);
      expect((await onTheWire(own, wire('CONNECT 127.0.0.1', ['Host: x']))).status).toBe(400);
    } finally {
      await proxy.close();
      secure.close();
    }
  });

  it('goes on with https where the listed origin has it', async () => {
    const signed: unknown[] = [];
    const secure = createServer(LOOPBACK_CERTIFICATE, (request, response) => {
      signed.push(request.headers['mcc-authentication']);
      response.end('secure');
    }).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port } = secure.address() as AddressInfo;
    const options = { browserOrigins: [`https://127.0.0.1:${port}`] };
    const strict = await startProxy(options);
    const lenient = await startProxy({ ...options, rejectUnauthorized: false });
    try {
      const request = wire(`GET http://127.0.0.1:${port}/`, ['Host: x']);
      const refused = await onTheWire(strict.port, request);
      expect([refused.status, refused.body.toString()]).toEqual([
        502,
        expect.stringContaining('certificate'),
      ]);
      expect(signed).toEqual([]);
      expect((await onTheWire(lenient.port, request)).status).toBe(200);
      expect(signed).toEqual([expect.stringContaining('MWSV2')]);
    } finally {
      await strict.proxy.close();
      await lenient.proxy.close();
      secure.close();
    }
  });
});

describe('Origins of the browser mode', () => {
  const origins = new BrowserOrigins(['https://api.example.com', 'http://[::1]:8080']);

  it.each([
    ['http://api.example.com/a', 'https://api.example.com', true],
    ['http://API.example.com:443/a', 'https://api.example.com', true],
    ['HTTP://api.example.com:80', 'https://api.example.com', true],
    ['http://[::1]:8080/', 'http://[::1]:8080', true],
    ['http://[0:0::1]:8080/', 'http://[::1]:8080', true],
    ['http://api.example.com:8080/', 'http://api.example.com:8080', false],
    ['http://api.example.com.evil.example/', 'http://api.example.com.evil.example', false],
    ['http://xapi.example.com/', 'http://xapi.example.com', false],
    ['http://api.example.com./', 'http://api.example.com.', false],
    ['http://[::1]/', 'http://[::1]', false],
  ])('%s goes to %s', (target, origin, isListed) => {
    const found = origins.destinationOf(target);
    expect({ origin: found.origin.origin, isListed: found.isListed }).toEqual({ origin, isListed });
  });
});
