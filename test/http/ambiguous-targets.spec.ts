import { connect } from 'node:http2';
import { APPLICATIONS } from '../support/applications.js';
import { createAdapter, startInboundApp, type ServedApp } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { signatureOf } from '../support/signed-http.js';

const VERSIONS = ['v1', 'v2', 'v1,v2'] as const;
const MANY_EMPTY_PIECES = '&'.repeat(1000);

/**
 * Targets as they are signed, and others with the same string to sign that some parser in use takes apart
 * differently: the first parameter of the handler would be another one, or none.
 */
const AMBIGUOUS: [string, string, string][] = [
  ['a number sign in a value', '/receive?name=a%23b&zone=1', '/receive?name=a#b&zone=1'],
  ['a number sign in a name', '/receive?a%23b=1&zone=1', '/receive?a#b=1&zone=1'],
  ['a number sign at the end', '/receive?zone=1%23', '/receive?zone=1#'],
  ['a value that goes on like a name', '/receive?next=%2Fs%3Ff%5Bx%5D%3D1', '/receive?next=%2Fs%3Ff[x]=1'],
  ['the same, half escaped', '/receive?next=%2Fs%3Ff%5Bx%5D%3D1', '/receive?next=/s?f%5bx%5d=1'],
  ['a broken escape beside another one', '/receive?off=5%25%20x', '/receive?off=5%%20x'],
  ['a broken escape in a name', '/receive?a%25%20x=1', '/receive?a%%20x=1'],
  ['a question mark in front', '/receive?%3Fzone=1', '/receive??zone=1'],
  ['more pieces than parsers count', '/receive?zone=1', `/receive?${MANY_EMPTY_PIECES}zone=1`],
];

/** Signs the target as it stands. */
const signed = (path: string, version: (typeof VERSIONS)[number]) =>
  signatureOf({ method: 'GET', path }, version);

describe.each(APPLICATIONS)('Requests to %s whose target can be read in two ways', (_, { start }) => {
  let app: ServedApp;
  let lenient: ServedApp;

  beforeAll(async () => {
    app = await start();
    lenient = await start({ options: { pathPolicy: 'protocol' } });
  });
  afterAll(() => Promise.all([app.close(), lenient.close()]));
  beforeEach(() => [app, lenient].forEach((each) => each.forget()));

  async function statusOf({ port }: ServedApp, target: string, headers: Record<string, string>) {
    const connection = await RawConnection.open(port);
    await connection.writeHead(`GET ${target}`, headers);
    const answer = await connection.answer();
    connection.destroy();
    return answer?.status;
  }

  describe.each(VERSIONS)('signed with %s', (version) => {
    it.each(AMBIGUOUS)('are refused for %s', async (_title, plain, ambiguous) => {
      const headers = await signed(plain, version);
      expect(await statusOf(app, plain, headers)).toBe(200);
      expect(await statusOf(app, ambiguous, headers)).toBe(401);
      expect(await statusOf(app, ambiguous, await signed(ambiguous, version))).toBe(401);
      expect(app.deliveries).toHaveLength(1);
      expect(app.codes()).toEqual(['ambiguous_path', 'ambiguous_path']);
    });

    it.each(['/receive#', '/receive#b', '/receive#b?zone=1', '/#/receive'])(
      'are refused for the path %j, although that was signed',
      async (target) => {
        // Where no route has it, there is no guard to ask.
        expect([401, 404]).toContain(await statusOf(app, target, await signed(target, version)));
        expect(app.deliveries).toEqual([]);
      },
    );

    it('are accepted with `pathPolicy: protocol`', async () => {
      for (const [, plain, ambiguous] of AMBIGUOUS)
        expect([ambiguous, await statusOf(lenient, ambiguous, await signed(plain, version))]).toEqual([
          ambiguous,
          200,
        ]);
    });
  });

  it.each([
    '/receive?name=a%23b',
    '/receive?ids[]=1&ids[]=2&a[b][c]=3',
    '/receive?ids%5B%5D=1&a%5Bb%5D=x]',
    '/receive?a=b]&c==]',
    '/receive?token=abc==&q=a?b',
    '/receive?off=5%&x=%zz&y=5%+x',
    '/receive?r%C3%A9gion=%FF',
    `/receive?${'a=1&'.repeat(999)}b`,
  ])('are not those of %j', async (target) => {
    expect(await statusOf(app, target, await signed(target, 'v2'))).toBe(200);
  });
});

/** Node's parser of HTTP/1 lets no byte beyond ASCII pass in a target; that of HTTP/2 does. */
describe.each(['routes', 'everything'] as const)('Over HTTP/2, with `protect: %s`,', (protect) => {
  let app: ServedApp;

  beforeAll(async () => {
    const adapter = createAdapter('Fastify', { http2: true });
    app = await startInboundApp('Fastify', { adapter, gate: { protect, exempt: [] } });
  });
  afterAll(() => app.close());

  it.each([
    ...AMBIGUOUS,
    ['text that is not escaped', '/receive?r%C3%A9gion=1', '/receive?r\u00c3\u00a9gion=1'],
    ['a byte that is trimmed', '/receive?role=a%C2%A0', '/receive?role=a\u00c2\u00a0'],
  ])('a target is refused for %s', async (_title, plain, ambiguous) => {
    const session = connect(`http://127.0.0.1:${app.port}`);
    const headers = Object.entries(await signed(plain, 'v2')).map(([name, value]) => [
      name.toLowerCase(),
      value,
    ]);
    const statusOf = (path: string) =>
      new Promise<unknown>((resolve, reject) => {
        const stream = session.request({ ':path': path, ...(Object.fromEntries(headers) as object) });
        stream
          .on('response', (head) => resolve(head[':status']))
          .on('error', reject)
          .resume()
          .end();
      });
    try {
      expect([await statusOf(plain), await statusOf(ambiguous)]).toEqual([200, 401]);
    } finally {
      session.close();
    }
  });
});
