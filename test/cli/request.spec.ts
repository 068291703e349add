import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';
import { CommandLine } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';
import { freePort } from '../support/free-port.js';
import { RecordingServer, type Recorded } from './recording-server.js';

const own = createTestApp();
const other = createTestApp();
const line = new CommandLine();
let service: FakeMAuthService;
let server: RecordingServer;
let tls: RecordingServer;
let flags: string[];

beforeAll(async () => {
  service = await FakeMAuthService.start();
  for (const app of [own, other]) service.register(app.appUuid, app.publicKeyPem);
  server = await new RecordingServer().start();
  tls = await new RecordingServer(true).start();
  line.write('own.pem', own.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  flags = ['--app-uuid', own.appUuid, '--key', 'own.pem', '--mauth-url', service.url];
});
beforeEach(() => {
  server.requests.length = 0;
  server.answering = { as: other };
  tls.answering = { as: other };
});
afterAll(async () => {
  await Promise.all([server.stop(), tls.stop(), service.stop()]);
  line.remove();
});

const request = (...words: string[]) => line.mauth(['request', ...flags, ...words]);

/** Which versions of the request's signature hold; V1 alone is looked at by leaving the other out. */
async function signedVersions({ method, url, headers, body }: Recorded): Promise<number[]> {
  const authenticator = new MAuthAuthenticator({
    appUuid: other.appUuid,
    findPublicKey: () => own.publicKeyPem,
    logAttempts: false,
    logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const of = (pattern: RegExp) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => pattern.test(name)));
  const versions: number[] = [];
  for (const [version, pattern] of [
    [1, /^x-mws/],
    [2, /^mcc/],
  ] as const) {
    const result = await authenticator.authenticateRequest({ method, url, headers: of(pattern), body });
    if (result.authentic) versions.push(version);
  }
  return versions;
}

describe('mauth request', () => {
  it('signs V1 and V2, shows both heads on stderr and the body on stdout', async () => {
    const { exitCode, stdout, stderr } = await request('GET', `${server.url}/studies?b=1&a=%2f`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '{"ok":true}' });
    expect(stderr).toContain('> GET /studies?b=1&a=%2f HTTP/1.1\n');
    expect(stderr).toContain('< HTTP/1.1 200 OK\n');
    expect(stderr).toContain(`* The answer is authentic: signed by ${other.appUuid}.`);
    expect(server.last).toMatchObject({ method: 'GET', url: '/studies?b=1&a=%2f' });
    expect(await signedVersions(server.last)).toEqual([1, 2]);
  });

  it('prints no signature that could be used again', async () => {
    const { stderr } = await request(`${server.url}/`);
    const signature = server.last.headers['mcc-authentication'].split(':')[1];
    expect(stderr).toContain('MCC-Authentication');
    expect(stderr).not.toContain(signature.slice(0, 20));
  });

  it('sends targets as they were typed', async () => {
    const targets = ['/a//b/../c?', "/it's?x=%zz&&", '/', '?only=query', '/%E9/é'.replace('é', '%C3%A9')];
    for (const target of targets) await request('-q', `${server.url}${target}`);
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/a//b/../c?',
      "/it's?x=%zz&&",
      '/',
      '/?only=query',
      '/%E9/%C3%A9',
    ]);
    for (const one of server.requests) expect(await signedVersions(one)).toEqual([1, 2]);
  });

  describe('with the flags of the Ruby client', () => {
    it.each<[string, string[], (ended: { stdout: string; stderr: string }) => void]>([
      ['--verbose', ['--verbose'], ({ stderr }) => expect(stderr).toContain('> GET / HTTP/1.1')],
      [
        '--no-verbose',
        ['--no-verbose'],
        ({ stdout, stderr }) => expect([stdout, stderr]).toEqual(['{"ok":true}', '']),
      ],
      ['-q', ['-q'], ({ stdout, stderr }) => expect([stdout, stderr]).toEqual(['{"ok":true}', ''])],
      ['--authenticate', ['--authenticate'], ({ stderr }) => expect(stderr).toContain('is authentic')],
      [
        '--no-authenticate',
        ['--no-authenticate'],
        ({ stderr }) => expect(stderr).not.toContain('authentic:'),
      ],
      ['--color', ['--color'], ({ stderr }) => expect(stderr).toContain('\u001b[36m> GET / HTTP/1.1')],
      ['--no-color', ['--no-color'], ({ stderr }) => expect(stderr).not.toContain('\u001b[')],
    ])('%s', async (_name, words, check) => {
      const ended = await request(...words, 'GET', `${server.url}/`);
      expect(ended.exitCode).toBe(0);
      check(ended);
    });

    it('-t and -H', async () => {
      await request('-t', 'text/csv', '-H', 'X-One: 1', '-H', 'x-two: a: b', 'POST', `${server.url}/`, 'a,b');
      expect(server.last.headers).toMatchObject({
        'content-type': 'text/csv',
        'x-one': '1',
        'x-two': 'a: b',
      });
      expect(server.last.body.toString()).toBe('a,b');
      expect(await signedVersions(server.last)).toEqual([1, 2]);
    });

    it('--no-ssl-verify', async () => {
      const refused = await request('GET', `${tls.url}/`);
      expect(refused).toMatchObject({ exitCode: 6, stdout: '' });
      expect(refused.stderr).toMatch(
        /certificate of 127\.0\.0\.1:\d+ is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\).*--no-ssl-verify/,
      );
      expect(await request('--no-ssl-verify', 'GET', `${tls.url}/`)).toMatchObject({ exitCode: 0 });
    });
  });

  it.each<[string, string[], string, string, string | undefined]>([
    ['a body is JSON', ['POST', 'URL', '{"a":1}'], 'POST', '{"a":1}', 'application/json'],
    ['-d without METHOD is a POST', ['-d', 'é', 'URL'], 'POST', 'é', 'application/json'],
    ['-d @file', ['PUT', 'URL', '-d', '@body.bin', '-t', 'a/b'], 'PUT', '\r\n\0é', 'a/b'],
    ['-d @-', ['PATCH', 'URL', '-d', '@-'], 'PATCH', 'from stdin', 'application/json'],
    ['an empty body', ['POST', 'URL', ''], 'POST', '', 'application/json'],
    ['a method in lower case', ['delete', 'URL'], 'DELETE', '', undefined],
    ['URL alone is a GET', ['URL'], 'GET', '', undefined],
  ])('%s', async (_name, words, method, body, type) => {
    line.write('body.bin', '\r\n\0é');
    const args = words.map((word) => (word === 'URL' ? `${server.url}/x` : word));
    const { exitCode } = await line.mauth(['request', '-q', ...flags, ...args], { input: 'from stdin' });
    expect(exitCode).toBe(0);
    expect({ method: server.last.method, body: server.last.body.toString() }).toEqual({ method, body });
    expect(server.last.headers['content-type']).toBe(type);
    expect(await signedVersions(server.last)).toEqual([1, 2]);
  });

  it.each([
    ['v1', [1]],
    ['V2', [2]],
    ['v1, v2', [1, 2]],
  ])('--sign-versions %s', async (versions, expected) => {
    await request('-q', '--sign-versions', versions, `${server.url}/`);
    expect(await signedVersions(server.last)).toEqual(expected);
  });

  it('is what `mauth URL`, `mauth METHOD URL` and `mauth -q URL` mean', async () => {
    for (const words of [[`${server.url}/1`], ['PUT', `${server.url}/2`], ['-q', `${server.url}/3`]]) {
      expect(await line.mauth([...words, ...flags])).toMatchObject({ exitCode: 0 });
    }
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /1',
      'PUT /2',
      'GET /3',
    ]);
  });

  it('--offline prints the signed request and sends nothing', async () => {
    const { exitCode, stdout } = await request('--offline', 'POST', `${server.url}/a?b`, 'x');
    expect(exitCode).toBe(0);
    expect(server.requests).toEqual([]);
    const [head, body] = stdout.split('\r\n\r\n');
    const [first, ...lines] = head.split('\r\n');
    const headers = Object.fromEntries(
      lines.map((one) => one.split(/: (.*)/).slice(0, 2)) as [string, string][],
    );
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    expect(first).toBe('POST /a?b HTTP/1.1');
    expect(lower['content-length']).toBe('1');
    expect(
      await signedVersions({ method: 'POST', url: '/a?b', headers: lower, body: Buffer.from(body) }),
    ).toEqual([1, 2]);
  });

  it('-o writes the body to a file, and a compressed one decoded', async () => {
    const body = gzipSync('compressed');
    server.answering = { as: other, body, headers: { 'content-encoding': 'gzip' } };
    const { exitCode, stdout } = await request('-q', '-o', 'out.txt', `${server.url}/`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(readFileSync(join(line.folder, 'out.txt'), 'utf8')).toBe('compressed');
    expect((await request('-q', `${server.url}/`)).stdout).toBe('compressed');
  });

  it.each([
    [404, [], 0],
    [404, ['--check-status'], 4],
    [500, ['--check-status'], 5],
    [204, ['--check-status'], 0],
    [302, ['--check-status'], 0],
  ])('answers of status %i with %j exit with %i', async (status, words, exitCode) => {
    server.answering = {
      as: other,
      status,
      body: status === 204 ? '' : '{}',
      headers: { location: '/else' },
    };
    expect((await request('-q', ...words, `${server.url}/`)).exitCode).toBe(exitCode);
    expect(server.requests).toHaveLength(1);
  });

  it('HEAD is authenticated without a body', async () => {
    server.answering = { as: other, body: '' };
    expect(await request('-q', 'HEAD', `${server.url}/`)).toMatchObject({ exitCode: 0, stdout: '' });
  });
});

describe('mauth request, where something is wrong', () => {
  it('an answer that is not signed: 7, and with -q no body', async () => {
    server.answering = {};
    const quiet = await request('-q', `${server.url}/`);
    expect(quiet).toMatchObject({ exitCode: 7, stdout: '' });
    expect(quiet.stderr).toContain('(missing_headers): it is not signed; set --no-authenticate');
    expect(await request(`${server.url}/`)).toMatchObject({ exitCode: 7, stdout: '{"ok":true}' });
    expect(await request('-q', '--no-authenticate', `${server.url}/`)).toMatchObject({
      exitCode: 0,
      stdout: '{"ok":true}',
      stderr: '',
    });
  });

  it('an answer that was changed on its way: 7', async () => {
    server.answering = { as: other, signedBody: '{"ok":false}' };
    const { exitCode, stdout, stderr } = await request('-q', `${server.url}/`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: '' });
    expect(stderr).toContain('The answer is not authentic (signature_mismatch)');
  });

  it('a MAuth service that is away: 8', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const { exitCode, stdout, stderr } = await request('-q', '--mauth-url', away, `${server.url}/`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 8, stdout: '' });
    expect(stderr).toContain('could not be decided (service_unavailable); "mauth doctor" says more');
  });

  it.each([
    ['nothing listens', async () => `http://127.0.0.1:${await freePort()}/`, [], /refuses the connection/],
    [
      'no such name',
      async () => 'http://no-such-name.invalid/',
      [],
      /The name no-such-name\.invalid is not known/,
    ],
    [
      'no TLS there',
      async () => `${server.url.replace('http', 'https')}/`,
      [],
      /does not speak TLS|closed the connection/,
    ],
    [
      'no answer in time',
      async () => `${server.url}/`,
      ['--timeout', '0.4'],
      /did not answer within 0\.4 s; set --timeout/,
    ],
  ])('%s: 6', async (name, url, words, text) => {
    server.answering = { hangs: name === 'no answer in time' };
    const { exitCode, stdout, stderr } = await request('-q', '--no-authenticate', ...words, await url());
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: '' });
    expect(stderr).toMatch(text);
  });

  it.each([
    [
      'a word that is nothing',
      ['frobnicate', 'URL'],
      /"frobnicate" is neither a command, a method nor a URL/,
    ],
    ['no URL', ['GET'], /"" is not a URL/],
    ['a body twice', ['POST', 'URL', 'a', '-d', 'b'], /The body is given twice/],
    ['a word too many', ['POST', 'URL', 'a', 'b'], /Too many words: "b"; quote the body/],
    [
      'credentials in the URL',
      ['http://me:secret@127.0.0.1/'],
      /user name or password; send it with --header/,
    ],
    ['a space in the URL', ['http://127.0.0.1/a b'], /percent-encode/],
    ['an umlaut in the URL', ['http://127.0.0.1/ä'], /percent-encode/],
    ['a header without colon', ['-H', 'nonsense', 'URL'], /--header takes a line such as/],
    ['a header with a line end', ['-H', 'A: b\r\nC: d', 'URL'], /--header takes a line such as/],
    ['no number', ['--timeout', 'soon', 'URL'], /--timeout takes seconds/],
    [
      'a file that is not there',
      ['-d', '@nowhere', 'URL'],
      /--data names a file that cannot be read \(ENOENT\)/,
    ],
    ['an unknown flag', ['--frob', 'URL'], /unknown option '--frob'/],
    ['other versions', ['--sign-versions', 'v3', 'URL'], /--sign-versions must be v1, v2 or v1,v2/],
    ['a folder to write to', ['-o', '.', 'URL'], /--output cannot be written \(EISDIR\)/],
  ])('%s: 2', async (name, words, text) => {
    const args = words.map((word) => (word === 'URL' ? `${server.url}/` : word));
    const { exitCode, stdout, stderr } = await request('-q', ...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(text);
    expect(stderr).not.toContain('secret');
    if (name !== 'a folder to write to') expect(server.requests).toEqual([]);
  });
});
