import { bytes } from '../support/body-kinds.js';
import { APPLICATIONS } from '../support/applications.js';
import { type ServedApp } from '../support/inbound-app.js';
import { RawConnection, type RawAnswer } from '../support/raw-connection.js';
import { sendSigned, signatureOf } from '../support/signed-http.js';

describe.each(APPLICATIONS)('Raw requests to %s', (_, { refusesEverything, start }) => {
  let app: ServedApp;
  const connections: RawConnection[] = [];

  beforeAll(async () => {
    app = await start();
  });
  afterAll(() => app.close());
  beforeEach(() => app.forget());
  afterEach(async () => {
    connections.splice(0).forEach((connection) => connection.destroy());
    // Whatever came, the process lives and serves.
    expect((await sendSigned({ port: app.port, path: '/receive' })).status).toBe(200);
  });

  async function connected(): Promise<RawConnection> {
    const connection = await RawConnection.open(app.port);
    connections.push(connection);
    return connection;
  }

  async function raw(
    startLine: string,
    headers: Record<string, string | number> = {},
    body = '',
  ): Promise<RawAnswer | undefined> {
    const connection = await connected();
    await connection.writeHead(startLine, headers);
    await connection.write(body);
    return connection.answer();
  }

  /** Signed for the very target that is sent; the signer takes it as it is. */
  async function rawSigned(method: string, target: string): Promise<RawAnswer | undefined> {
    return raw(`${method} ${target}`, await signatureOf({ method, path: target }));
  }

  it.each([
    '/receive/../receive',
    '/./receive',
    '/x/..',
    '/%2e%2e/receive',
    '/%2E/receive',
    '/x/%2e%2e%2freceive',
    '/x%2f..%2freceive',
    '/receive%5c..%5cx',
    '/\\receive',
    '/receive%00',
    '/receive/.',
  ])('refuse %s, signed and unsigned', async (target) => {
    // A target of Node's own making may be refused by the platform before anything of ours runs.
    expect([400, 401, 404]).toContain((await raw(`GET ${target}`))?.status);
    expect([400, 401, 404]).toContain((await rawSigned('GET', target))?.status);
    expect(app.deliveries).toEqual([]);
    if (refusesEverything) expect((await rawSigned('GET', target))?.status).toBe(401);
  });

  it.each(['http://127.0.0.1/receive', 'http://other.example/receive', '*', 'receive', '//receive'])(
    'let no handler run for the target %s',
    async (target) => {
      const headers = await signatureOf({ method: 'GET', path: '/receive' });
      const answer = await raw(`GET ${target}`, headers);
      expect(answer?.status).toBeGreaterThanOrEqual(400);
      expect(answer?.status).toBeLessThan(500);
      expect(app.deliveries).toEqual([]);
    },
  );

  it('accept dots and escapes in a query', async () => {
    expect((await rawSigned('GET', '/receive?file=../../x&y=%2e%2e%2f%5c%00'))?.status).toBe(200);
  });

  it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])(
    'accept a signed %s and refuse an unsigned one',
    async (method) => {
      const before = app.deliveries.length;
      const unsigned = await raw(`${method} /receive`);
      // Only the gate sees what has no route.
      expect(unsigned?.status).toBe(401);
      expect(app.deliveries).toHaveLength(before);
      expect((await rawSigned(method, '/receive'))?.status).toBe(200);
    },
  );

  it('do not take a signed GET for a HEAD', async () => {
    const headers = await signatureOf({ method: 'GET', path: '/receive' });
    expect((await raw('HEAD /receive', headers))?.status).toBe(401);
    expect(app.deliveries).toEqual([]);
  });

  it('refuse header lines that come twice', async () => {
    const headers = await signatureOf({ path: '/receive' });
    for (const name of Object.keys(headers)) {
      const connection = await connected();
      await connection.writeHead('POST /receive', {
        ...headers,
        [name.toLowerCase()]: headers[name] ?? '',
      });
      expect((await connection.answer())?.status).toBe(401);
    }
    expect(app.deliveries).toEqual([]);
  });

  it('refuse a body that was added to a request signed without one', async () => {
    const headers = await signatureOf({ path: '/receive' });
    for (const type of ['application/json', 'text/plain', 'application/octet-stream']) {
      const length = await raw(
        'POST /receive',
        { ...headers, 'content-type': type, 'content-length': 2 },
        '{}',
      );
      const chunked = { ...headers, 'content-type': type, 'transfer-encoding': 'chunked' };
      const inChunks = await raw('POST /receive', chunked, '2\r\n{}\r\n0\r\n\r\n');
      for (const answer of [length, inChunks]) expect([401, 415]).toContain(answer?.status);
    }
    expect(app.deliveries).toEqual([]);
  });

  it('refuse a body that was taken from a signed request', async () => {
    const headers = await signatureOf({ body: Buffer.from('{}') });
    expect((await raw('POST /receive', headers))?.status).toBe(401);
    expect(app.deliveries).toEqual([]);
  });

  it('are verified one by one when they come in one packet', async () => {
    const connection = await connected();
    const body = '{"a":1}';
    const good = await signatureOf({ body: Buffer.from(body) });
    const bad = await signatureOf({ body: Buffer.from('{"a":2}') });
    const common = { 'content-type': 'application/json', 'content-length': body.length };
    const head = (headers: object) =>
      `POST /receive HTTP/1.1\r\nhost: a\r\n${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`;
    const requests = [good, bad, {}, good].map((headers) => head({ ...common, ...headers }) + body);
    await connection.write(requests.join(''));
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await connection.answer())?.status);
    expect(statuses).toEqual([200, 401, 401, 200]);
    expect(app.deliveries).toHaveLength(2);
  });

  it('are invited to send their body by 100 Continue, and may end it with trailers', async () => {
    const body = Buffer.from('{"a":1}');
    const connection = await connected();
    await connection.writeHead('POST /receive', {
      ...(await signatureOf({ body })),
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
      expect: '100-continue',
      trailer: 'x-checksum',
    });
    await connection.write('4\r\n{"a"\r\n');
    await connection.write('3\r\n:1}\r\n0\r\nx-checksum: 1\r\n\r\n');
    expect((await connection.answer())?.status).toBe(200);
    expect(app.deliveries).toEqual([expect.objectContaining({ parsed: { a: 1 } })]);
  });

  it('are never delivered short of what they announced', async () => {
    const body = bytes(100);
    const connection = await connected();
    await connection.writeHead('POST /receive', {
      ...(await signatureOf({ body: body.subarray(0, 50) })),
      'content-type': 'application/octet-stream',
      'content-length': 100,
    });
    await connection.write(body.subarray(0, 50));
    connection.destroy();
    expect(app.deliveries).toEqual([]);
  });

  it('leave one short line in the log, without their query', async () => {
    // A guard does not hear of what has no route.
    const target = refusesEverything ? `/${'x'.repeat(2000)}/../x` : '/receive';
    const headers = await signatureOf({ method: 'GET', path: '/something/else' });
    await raw(`GET ${target}?secret=1`, headers);
    const messages = app.logger.lines.map(({ message }) => message);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(
      /^MAuth: GET \/[\x20-\x7e…]+ \((ambiguous_path|signature_mismatch: other_message)\)$/,
    );
    expect(messages[0]).not.toContain('secret');
    expect(messages[0]?.length).toBeLessThan(500);
  });
});
