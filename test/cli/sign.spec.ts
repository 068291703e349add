import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { CommandLine, itWithCurl } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';
import { RecordingServer } from './recording-server.js';

const own = createTestApp();
const line = new CommandLine({ APP_UUID: own.appUuid, MAUTH_PRIVATE_KEY_FILE: 'own.pem' });
const authenticator = new MAuthAuthenticator({
  appUuid: own.appUuid,
  findPublicKey: () => own.publicKeyPem,
  logAttempts: false,
  disableFallbackToV1: true,
});
beforeAll(() => line.write('own.pem', own.privateKeyPem));
afterAll(() => line.remove());

describe('mauth sign', () => {
  const url = 'https://api.example.com/studies?b=1&a=2';

  it('prints headers that hold, as lines and as JSON', async () => {
    const lines = await line.mauth(['sign', 'POST', url, '-d', '{"a":1}']);
    const json = await line.mauth(['sign', 'POST', url, '-d', '{"a":1}', '--json']);
    expect([lines.exitCode, json.exitCode]).toEqual([0, 0]);
    const fromLines = Object.fromEntries(
      lines.stdout
        .trim()
        .split('\n')
        .map((one) => one.split(': ') as [string, string]),
    );
    const fromJson = JSON.parse(json.stdout) as Record<string, string>;
    for (const headers of [fromLines, fromJson]) {
      expect(Object.keys(headers)).toEqual([
        'X-MWS-Authentication',
        'X-MWS-Time',
        'MCC-Authentication',
        'MCC-Time',
      ]);
      const request = { method: 'POST', url: '/studies?b=1&a=2', headers, body: '{"a":1}' };
      expect(await authenticator.authenticateRequest(request)).toMatchObject({
        authentic: true,
        protocolVersion: 2,
      });
    }
  });

  itWithCurl('prints a line of curl that sends the very request', async () => {
    const server = await new RecordingServer().start();
    try {
      line.write('body.json', `{"it's":"$HOME"}\n`);
      const target = "/a/../b//c?x=[1]&y='z'";
      for (const data of ['it\'s "quoted" $HOME \\n é', '@body.json']) {
        const { stdout } = await line.mauth([
          'sign',
          'PUT',
          server.url + target,
          '-d',
          data,
          '-H',
          "X-A: it's",
          '--curl',
        ]);
        const { exitCode, stderr } = await line.run(['sh', '-c', `${stdout.trim()} --silent --show-error`]);
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
        const { method, url: sent, headers, body } = server.last;
        expect({ method, sent, header: headers['x-a'] }).toEqual({
          method: 'PUT',
          sent: target,
          header: "it's",
        });
        const result = await authenticator.authenticateRequest({ method, url: sent, headers, body });
        expect(result).toMatchObject({ authentic: true, protocolVersion: 2 });
      }
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['no URL', ['sign'], 2, /missing required argument/],
    ['two forms', ['sign', 'GET', url, '--curl', '--json'], 2, /Either --curl or --json/],
    [
      'curl with stdin',
      ['sign', 'PUT', url, '-d', '@-', '--curl'],
      2,
      /--curl cannot name what came from stdin/,
    ],
    ['bytes that are no text', ['sign', 'PUT', url, '-d', '@bytes', '--curl'], 0, /^$/],
    ['no key', ['sign', 'GET', url, '--key', 'nowhere.pem'], 3, /cannot be read \(ENOENT\): "nowhere\.pem"/],
    [
      'a public key',
      ['sign', 'GET', url, '--key', 'public.pem'],
      3,
      /must be exactly one PEM block, "PRIVATE KEY"/,
    ],
    ['a UUID that is none', ['sign', 'GET', url, '--app-uuid', 'me'], 2, /--app-uuid must be a UUID/],
  ])('%s', async (_name, args, exitCode, text) => {
    line.write('public.pem', own.publicKeyPem);
    line.write('bytes', Buffer.from([255, 254, 0]));
    const ended = await line.mauth(args);
    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stderr).toMatch(text);
    if (exitCode !== 0) expect(ended.stdout).toBe('');
  });

  it('names what is missing, and where it can be set', async () => {
    const nothing = { APP_UUID: '', MAUTH_PRIVATE_KEY_FILE: '' };
    const none = await line.mauth(['sign', 'GET', url], { env: nothing });
    expect(none).toEqual({
      exitCode: 3,
      stdout: '',
      stderr: 'mauth: No app UUID: set --app-uuid, APP_UUID, or app_uuid in mauth.yml.\n',
    });
    const noKey = await line.mauth(['sign', 'GET', url, '--app-uuid', own.appUuid], { env: nothing });
    expect(noKey.exitCode).toBe(3);
    expect(noKey.stderr).toContain(
      'No private key: set --key, MAUTH_PRIVATE_KEY_FILE, or private_key_file in mauth.yml',
    );
  });
});
