import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';
import { CommandLine, itWithCurl } from '../support/command-line.js';
import { freePort } from '../support/free-port.js';
import { createTestApp } from '../support/test-app.js';
import { RecordingServer } from './recording-server.js';

const own = createTestApp();
const other = createTestApp();
const line = new CommandLine({ APP_UUID: own.appUuid, MAUTH_PRIVATE_KEY_FILE: 'own.pem' });
const authenticator = new MAuthAuthenticator({
  appUuid: other.appUuid,
  findPublicKey: () => own.publicKeyPem,
  logAttempts: false,
});
let service: FakeMAuthService;
let server: RecordingServer;

beforeAll(async () => {
  service = await FakeMAuthService.start();
  for (const app of [own, other]) service.register(app.appUuid, app.publicKeyPem);
  server = await new RecordingServer().start();
  line.write('own.pem', own.privateKeyPem);
});
beforeEach(() => {
  server.answering = { as: other };
});
afterAll(async () => {
  await Promise.all([server.stop(), service.stop()]);
  line.remove();
});

const URL_LINE = /^(http:\S+)$/m;

describe('mauth proxy', () => {
  it('signs what is sent through it, authenticates the answers, records both, and ends with 130', async () => {
    const port = await freePort();
    const args = [
      'proxy',
      '-p',
      String(port),
      '--mauth-url',
      service.url,
      '--record',
      'session.har',
      '-H',
      'X-From: me',
    ];
    const { match, end } = await line.started([...args, `${server.url}/v1`], URL_LINE);
    expect(match[1]).toBe(`http://127.0.0.1:${port}`);
    const answer = await fetch(`${match[1]}/studies?secret=1`, { method: 'POST', body: '{"a":1}' });
    expect([answer.status, await answer.text()]).toEqual([200, '{"ok":true}']);
    const { method, url, headers, body } = server.last;
    expect({ method, url, from: headers['x-from'] }).toEqual({
      method: 'POST',
      url: '/v1/studies?secret=1',
      from: 'me',
    });
    expect(await authenticator.authenticateRequest({ method, url, headers, body })).toMatchObject({
      authentic: true,
    });
    server.answering = {};
    expect((await fetch(`${match[1]}/`)).status).toBe(502);
    const ended = await end();
    expect(ended.exitCode).toBe(130);
    expect(ended.stderr).toMatch(/POST \/studies 200 \d+ ms\n/);
    expect(ended.stderr).toContain('(missing_headers)');
    expect(ended.stderr).not.toContain('secret');
    const record = join(line.folder, 'session.har');
    const { log } = JSON.parse(readFileSync(record, 'utf8')) as { log: { entries: unknown[] } };
    expect(log.entries.length).toBeGreaterThan(0);
    expect(statSync(record).mode & 0o777).toBe(0o600);
  });

  it('passes on any answer where it is told to', async () => {
    server.answering = {};
    const { match, end } = await line.started(
      ['proxy', '-p', '0', '--no-authenticate', server.url],
      URL_LINE,
    );
    expect((await fetch(`${match[1]}/`)).status).toBe(200);
    await end();
  });

  itWithCurl.each([['--browser'], ['--browser_proxy'], ['--browser-proxy']])(
    'is the proxy of a browser: %s',
    async (flag) => {
      const args = ['proxy', '-p', '0', '--no-authenticate', flag, server.url, 'https://api.example.com'];
      const { match, end } = await line.started(args, URL_LINE);
      const through = await line.run(['curl', '-s', '-x', match[1], `${server.url}/page`]);
      expect(through).toMatchObject({ exitCode: 0, stdout: '{"ok":true}' });
      const { method, url, headers, body } = server.last;
      expect(await authenticator.authenticateRequest({ method, url, headers, body })).toMatchObject({
        authentic: true,
      });
      expect((await end()).stderr).toContain('as the HTTP proxy of the browser');
    },
  );

  it('refuses bodies that are longer than it is told', async () => {
    const { match, end } = await line.started(
      ['proxy', '-p', '0', '--no-authenticate', '--max-body', '1KiB', server.url],
      URL_LINE,
    );
    const send = (length: number) => fetch(`${match[1]}/`, { method: 'POST', body: 'x'.repeat(length) });
    expect([(await send(1024)).status, (await send(1025)).status]).toEqual([200, 413]);
    await end();
  });

  it.each<[string, string[], number, RegExp]>([
    ['no target', [], 2, /Name a TARGET such as https:\/\/api\.example\.com, or the origins/],
    ['a target and origins', ['http://a.example', '--browser', 'http://b.example'], 2, /Name a TARGET/],
    ['a target that is none', ['api.example.com'], 2, /must be an absolute http: or https: URL/],
    [
      'an origin with a path',
      ['--browser', 'http://a.example/b'],
      2,
      /An origin of the browser mode is scheme/,
    ],
    [
      'an allowed page',
      ['http://a.example', '--allow-origin', '*'],
      2,
      /An allowed origin is scheme, host and port/,
    ],
    [
      'a header of its own',
      ['http://a.example', '-H', 'MCC-Time: 1'],
      2,
      /MCC-Time is set by the proxy itself/,
    ],
    ['a size that is none', ['http://a.example', '--max-body', 'huge'], 2, /--max-body takes bytes such as/],
    [
      'a size that is too large',
      ['http://a.example', '--max-body', '3GiB'],
      2,
      /--max-body takes bytes such as/,
    ],
    ['a port that is none', ['http://a.example', '-p', 'x'], 2, /--port takes a number/],
    [
      'a record that cannot be written',
      ['http://a.example', '-p', '0', '--record', '.'],
      2,
      /--record names a file that cannot be written \(EISDIR\)/,
    ],
    ['no key', ['http://a.example', '--key', 'nowhere.pem'], 3, /cannot be read \(ENOENT\)/],
  ])('says what is wrong: %s', async (_name, args, exitCode, text) => {
    const ended = await line.mauth(['proxy', '--no-authenticate', ...args]);
    expect({ exitCode: ended.exitCode, stdout: ended.stdout }).toEqual({ exitCode, stdout: '' });
    expect(ended.stderr).toMatch(text);
  });

  it('needs a MAuth service to authenticate answers: 3', async () => {
    const ended = await line.mauth(['proxy', 'http://a.example', '--record', 'none.har']);
    expect(ended).toMatchObject({ exitCode: 3, stdout: '' });
    expect(ended.stderr).toContain(
      'set --mauth-url, MAUTH_URL, or mauth_baseurl in mauth.yml; or set --no-authenticate',
    );
    expect(existsSync(join(line.folder, 'none.har'))).toBe(false);
  });

  it('says when the port is taken', async () => {
    const { port } = new URL(server.url);
    const ended = await line.mauth(['proxy', '--no-authenticate', '-p', port, 'http://a.example']);
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toMatch(/cannot be used \(EADDRINUSE\); set --port/);
  });
});
