import { createPublicKey } from 'node:crypto';
import { type ServerResponse } from 'node:http';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';
import { CommandLine, type Ended } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';
import { freePort } from '../support/free-port.js';

const UUID = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
let line: CommandLine;
beforeEach(() => (line = new CommandLine()));
afterEach(() => line.remove());

function settings({ stdout }: Ended): Record<string, string> {
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((one) => one.split('=') as [string, string]),
  );
}

describe('mauth keygen', () => {
  it('makes a key pair and an app UUID, and says how to use them', async () => {
    const made = await line.mauth(['keygen', '--out', 'keys']);
    expect(made.exitCode).toBe(0);
    const env = settings(made);
    const file = env.MAUTH_PRIVATE_KEY_FILE;
    expect(file).toBe(join(line.folder, `keys/${env.APP_UUID}.key.pem`));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const publicKey = createPublicKey(readFileSync(join(line.folder, `keys/${env.APP_UUID}.pub.pem`)));
    expect(publicKey.equals(createPublicKey(readFileSync(file)))).toBe(true);
    expect(publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(made.stdout + made.stderr).not.toContain('-----');
    expect(await line.mauth(['sign', 'GET', 'http://a.example/'], { env })).toMatchObject({ exitCode: 0 });
  });

  it('takes an app UUID and a length, and overwrites nothing', async () => {
    const args = ['keygen', '--app-uuid', UUID.toUpperCase(), '--bits', '3072'];
    expect(settings(await line.mauth(args)).APP_UUID).toBe(UUID);
    const before = readFileSync(join(line.folder, `${UUID}.key.pem`));
    expect(createPublicKey(before).asymmetricKeyDetails?.modulusLength).toBe(3072);
    const again = await line.mauth(args);
    expect(again).toMatchObject({ exitCode: 2, stdout: '' });
    expect(again.stderr).toContain('is there already');
    expect(readFileSync(join(line.folder, `${UUID}.key.pem`))).toEqual(before);
  });

  it('leaves no private key behind whose public key could not be written', async () => {
    line.write(`keys/${UUID}.pub.pem`, 'there already');
    expect(await line.mauth(['keygen', '--out', 'keys', '--app-uuid', UUID])).toMatchObject({
      exitCode: 2,
      stdout: '',
    });
    expect(readdirSync(join(line.folder, 'keys'))).toEqual([`${UUID}.pub.pem`]);
  });

  it.each([
    ['a short key', ['--bits', '1024'], /--bits must be from 2048 to 8192/],
    ['a huge key', ['--bits', '16384'], /--bits must be from 2048 to 8192/],
    ['no number', ['--bits', 'many'], /--bits must be from 2048 to 8192/],
    ['a UUID that is none', ['--app-uuid', 'me'], /--app-uuid must be a UUID/],
    [
      'a folder that cannot be made',
      ['--out', 'file/keys'],
      /cannot be written \((ENOTDIR|EEXIST)\)|is there already/,
    ],
  ])('refuses %s', async (_name, args, text) => {
    line.write('file', '');
    const { exitCode, stderr } = await line.mauth(['keygen', ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(text);
  });
});

describe('mauth serve', () => {
  const caller = createTestApp();
  const request = { method: 'GET', url: '/studies' };

  async function ask(mauthUrl: string) {
    const { appUuid, privateKey } = caller;
    const headers = await new MAuthSigner({ appUuid, privateKey }).signRequest(request);
    const authenticator = new MAuthAuthenticator({
      appUuid,
      privateKey,
      mauthUrl,
      logAttempts: false,
      logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
      service: { deadlineMs: 500 },
    });
    return authenticator.authenticateRequest({ ...request, headers, body: null });
  }

  beforeEach(() => line.write(`keys/${caller.appUuid}.pub.pem`, caller.publicKeyPem));

  it('is a MAuth service for the keys of a folder, until it is interrupted', async () => {
    const port = await freePort();
    const { match, end } = await line.started(
      ['serve', '--keys', 'keys', '-p', String(port), '--max-age', '7'],
      /^MAUTH_URL=(\S+)$/m,
    );
    expect(match[1]).toBe(`http://127.0.0.1:${port}`);
    expect(await ask(match[1])).toMatchObject({ authentic: true, appUuid: caller.appUuid });
    const unsigned = await fetch(`${match[1]}/mauth/v1/security_tokens/${caller.appUuid}.json`);
    expect(unsigned.status).toBe(401);
    const ended = await end();
    expect(ended.exitCode).toBe(130);
    expect(ended.stderr).toContain('Knows 1 app of keys');
  });

  it.each([
    ['hang', 'service_unavailable'],
    ['503', 'service_unavailable'],
    ['malformed', 'service_answer_malformed'],
    ['other_app', 'service_answer_malformed'],
    ['refuse', 'service_unavailable'],
  ])('goes wrong where it is told to: %s', async (fault, code) => {
    const { match, end } = await line.started(
      ['serve', '--keys', 'keys', '-p', '0', '--fault', fault],
      /=(\S+)$/m,
    );
    expect(await ask(match[1])).toMatchObject({ authentic: false, status: 503, code });
    await end();
  });

  it.each([
    ['no folder given', [], 2, /required option '--keys <folder>' not specified/],
    ['no such folder', ['--keys', 'nowhere'], 2, /--keys names a folder that cannot be read \(ENOENT\)/],
    [
      'a folder without keys',
      ['--keys', 'empty'],
      3,
      /holds no <app UUID>\.pub\.pem; "mauth keygen --out empty"/,
    ],
    ['a name that is no UUID', ['--keys', 'named'], 3, /me\.pub\.pem must be named after the app/],
    [
      'a key that is none',
      ['--keys', 'broken'],
      3,
      /cannot be used\. The public key must be exactly one PEM block/,
    ],
    [
      'an unknown fault',
      ['--keys', 'keys', '--fault', 'sulk'],
      2,
      /--fault takes a status from 200 to 599, or one of/,
    ],
    ['a port that is none', ['--keys', 'keys', '-p', '99999'], 2, /--port takes a number/],
    ['an age that is none', ['--keys', 'keys', '--max-age', 'long'], 2, /--max-age takes seconds/],
  ])('says what is wrong: %s', async (_name, args, exitCode, text) => {
    line.write('empty/.keep', '');
    line.write('named/me.pub.pem', caller.publicKeyPem);
    line.write(`broken/${UUID}.pub.pem`, 'nonsense');
    const ended = await line.mauth(['serve', ...args]);
    expect({ exitCode: ended.exitCode, stdout: ended.stdout }).toEqual({ exitCode, stdout: '' });
    expect(ended.stderr).toMatch(text);
  });

  it('says when the port is taken', async () => {
    const service = await FakeMAuthService.start();
    const { exitCode, stderr } = await line.mauth([
      'serve',
      '--keys',
      'keys',
      '-p',
      new URL(service.url).port,
    ]);
    await service.stop();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/cannot be used \(EADDRINUSE\); set --port to another one/);
  });
});

describe('mauth doctor', () => {
  const own = createTestApp();
  let service: FakeMAuthService;
  beforeEach(async () => {
    service = await FakeMAuthService.start();
    line.write('own.pem', own.privateKeyPem);
  });
  afterEach(() => service.stop());

  const doctor = (...args: string[]) =>
    line.mauth([
      'doctor',
      '--app-uuid',
      own.appUuid,
      '--key',
      'own.pem',
      '--mauth-url',
      service.url,
      ...args,
    ]);
  const marks = ({ stdout }: Ended) =>
    [...stdout.matchAll(/^(\w+) +([^:]+):/gm)].map(([, mark, what]) => `${mark} ${what}`);

  it('finds nothing wrong where all is well', async () => {
    service.register(own.appUuid, own.publicKeyPem);
    const ended = await doctor();
    expect(ended.exitCode).toBe(0);
    expect(marks(ended)).toEqual(['ok own key', 'ok MAuth service', 'ok clock', 'ok registration']);
    expect(ended.stdout).toMatch(/RSA, 2048 bits, of app .*\n.*answered with 200 in \d+ ms/);
  });

  it.each<[string, () => void, RegExp]>([
    [
      'the service does not know the app',
      () => undefined,
      /refuses this app \(401\)\n +Register the public key of app/,
    ],
    [
      'the service has another public key',
      () => service.register(own.appUuid, createTestApp().publicKeyPem),
      /refuses this app \(401\)/,
    ],
    [
      'the service has another public key and answers all the same',
      () =>
        service.fail((_request, response) => answerWith(response, own.appUuid, createTestApp().publicKeyPem)),
      /has another public key for this app\n +Use the private key that was registered/,
    ],
    ['the service finds no app', () => service.fail(404), /does not know this app\n +Register/],
  ])('%s: 7', async (_name, arrange, text) => {
    arrange();
    const ended = await doctor();
    expect(ended.exitCode).toBe(7);
    expect(marks(ended)).toEqual(['ok own key', 'ok MAuth service', 'ok clock', 'FAIL registration']);
    expect(ended.stdout).toMatch(text);
  });

  it.each([
    [-3600, 'FAIL clock', 7],
    [3600, 'FAIL clock', 7],
    [60, 'warn clock', 0],
  ])('a clock that is %i s off: %s', async (seconds, mark, exitCode) => {
    service.register(own.appUuid, own.publicKeyPem);
    service.fail((_request, response) => {
      response.setHeader('date', new Date(Date.now() - seconds * 1000).toUTCString());
      answerWith(response, own.appUuid, own.publicKeyPem);
    });
    const ended = await doctor();
    expect(ended.exitCode).toBe(exitCode);
    expect(marks(ended)).toContain(mark);
    expect(ended.stdout).toMatch(/let NTP keep the clock/);
  });

  it('a service that cannot be reached: 6', async () => {
    const ended = await doctor('--mauth-url', `http://127.0.0.1:${await freePort()}`);
    expect(ended.exitCode).toBe(6);
    expect(marks(ended)).toEqual(['ok own key', 'FAIL MAuth service']);
    expect(ended.stdout).toContain('refuses the connection');
  });

  it('a service that does not answer: 6', async () => {
    service.fail('hang');
    const ended = await doctor('--timeout', '0.3');
    expect(ended.exitCode).toBe(6);
    expect(ended.stdout).toContain('did not answer within 0.3 s');
  });

  it('a service that answers with an error: 6', async () => {
    service.fail(503);
    const ended = await doctor();
    expect(ended.exitCode).toBe(6);
    expect(marks(ended)).toContain('FAIL registration');
  });

  it.each<[string, string[], RegExp]>([
    ['no key', ['--key', 'nowhere.pem'], /FAIL +own key: cannot be used\n.*nowhere\.pem/],
    ['a short key', ['--key', 'short.pem'], /The key has 1024 bits; 2048 to 8192 are accepted/],
    [
      'plain HTTP to another host',
      ['--mauth-url', 'http://mauth.example.com'],
      /FAIL +MAuth service: refused/,
    ],
  ])('%s: 3', async (_name, args, text) => {
    line.write('short.pem', createTestApp(own.appUuid, 1024).privateKeyPem);
    const ended = await doctor(...args);
    expect(ended.exitCode).toBe(3);
    expect(ended.stdout).toMatch(text);
  });

  it('no service: 3', async () => {
    const ended = await line.mauth(['doctor', '--app-uuid', own.appUuid, '--key', 'own.pem']);
    expect(ended.exitCode).toBe(3);
    expect(marks(ended)).toEqual(['ok own key', 'FAIL MAuth service']);
  });
});

function answerWith(response: ServerResponse, appUuid: string, pem: string): void {
  const token = { app_name: 'an app', app_uuid: appUuid, public_key_str: pem };
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ security_token: token }));
}
