import { CommandLine } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';

const apps = Array.from({ length: 4 }, () => createTestApp());
const [fromFile, fromEnv, fromFlags, fourth] = apps;

/** The app that signs with a configuration, and the versions it signs. */
async function signs(line: CommandLine, args: string[] = [], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await line.mauth(
    ['sign', 'GET', 'http://a.example/', '--json', ...args],
    { env },
  );
  if (exitCode !== 0) return { exitCode, stderr };
  const headers = JSON.parse(stdout) as Record<string, string>;
  const versions = ['X-MWS-Authentication', 'MCC-Authentication'].map((name) => name in headers);
  return {
    app: Object.values(headers)[0].split(/[ :]/)[1],
    versions: versions.map((isThere, at) => (isThere ? at + 1 : 0)).filter(Boolean),
  };
}

let line: CommandLine;
beforeEach(() => {
  line = new CommandLine();
  apps.forEach((app, at) => line.write(`keys/${at}.pem`, app.privateKeyPem));
});
afterEach(() => line.remove());

const yaml = (app: { appUuid: string }, more = '') => `app_uuid: ${app.appUuid}\n${more}`;

describe('The configuration', () => {
  it('takes flags before the environment before the file', async () => {
    line.write('mauth.yml', yaml(fromFile, 'private_key_file: keys/0.pem\n'));
    const env = { APP_UUID: fromEnv.appUuid, MAUTH_PRIVATE_KEY_FILE: 'keys/1.pem' };
    const flags = ['--app-uuid', fromFlags.appUuid, '--key', 'keys/2.pem'];
    expect(await signs(line)).toMatchObject({ app: fromFile.appUuid });
    expect(await signs(line, [], env)).toMatchObject({ app: fromEnv.appUuid });
    expect(await signs(line, flags, env)).toMatchObject({ app: fromFlags.appUuid });
  });

  it('takes the key of the higher priority, in whatever form', async () => {
    line.write('mauth.yml', yaml(fromFile, 'private_key_file: keys/nowhere.pem\n'));
    expect(await signs(line, [], { PRIVATE_KEY: fromEnv.privateKeyPem })).toMatchObject({
      app: fromFile.appUuid,
    });
    expect(await signs(line, ['--key', 'keys/2.pem'], { PRIVATE_KEY: 'nonsense' })).toMatchObject({
      app: fromFile.appUuid,
    });
  });

  it('looks for the file in this order', async () => {
    const written: [string, (typeof apps)[number]][] = [
      ['mauth.yml', apps[0]],
      ['config/mauth.yml', apps[1]],
      ['.mauth_config.yml', apps[2]],
    ];
    for (const [path, app] of written) {
      line.write(path, yaml(app, `private_key: |\n  ${app.privateKeyPem.trim().replaceAll('\n', '\n  ')}\n`));
      expect(await signs(line)).toMatchObject({ app: app.appUuid });
    }
    line.write('elsewhere.yml', yaml(fourth, `private_key_file: ${line.folder}/keys/3.pem\n`));
    const env = { MAUTH_CONFIG_YML: 'elsewhere.yml' };
    expect(await signs(line, [], env)).toMatchObject({ app: fourth.appUuid });
    expect(await signs(line, ['--config', 'mauth.yml'], env)).toMatchObject({ app: apps[0].appUuid });
  });

  it('reads the key file from where the configuration file is', async () => {
    line.write('config/mauth.yml', yaml(fromFile, 'private_key_file: ../keys/0.pem\n'));
    expect(await signs(line)).toMatchObject({ app: fromFile.appUuid });
  });

  it.each<[string, string[], Record<string, string>, number]>([
    ['development', [], {}, 0],
    ['RAILS_ENV', [], { RAILS_ENV: 'production' }, 1],
    ['RACK_ENV', [], { RACK_ENV: 'production' }, 1],
    ['RAILS_ENV before RACK_ENV', [], { RAILS_ENV: 'production', RACK_ENV: 'development' }, 1],
    ['--section', ['--section', 'other'], { RAILS_ENV: 'production' }, 2],
    ['common for what is not there', [], { RAILS_ENV: 'staging' }, 3],
  ])('takes the section of %s', async (_name, args, env, at) => {
    const section = (name: string, number: number) =>
      `${name}:\n  app_uuid: ${apps[number].appUuid}\n  private_key_file: keys/${number}.pem\n`;
    const names = ['development', 'production', 'other', 'common'];
    line.write('mauth.yml', names.map(section).join(''));
    expect(await signs(line, args, env)).toMatchObject({ app: apps[at].appUuid });
  });

  it.each<[string, number[]]>([
    ['', [1, 2]],
    ['v2_only_sign_requests: true', [2]],
    ['v1_only_sign_requests: true', [1]],
    ['v1_only_sign_requests: false', [1, 2]],
    ['v2_only_sign_requests: false', [1, 2]],
  ])('signs what the file says: %s', async (more, versions) => {
    line.write('mauth.yml', yaml(fromFile, `private_key_file: keys/0.pem\n${more}\n`));
    expect(await signs(line)).toMatchObject({ versions });
    expect(await signs(line, ['--sign-versions', 'v1'])).toMatchObject({ versions: [1] });
    expect(await signs(line, [], { MAUTH_SIGN_VERSIONS: 'v2' })).toMatchObject({ versions: [2] });
  });

  it.each<[string, string | undefined, string[], RegExp]>([
    ['no such file', undefined, ['--config', 'nowhere.yml'], /nowhere\.yml cannot be read \(ENOENT\)/],
    [
      'a section without a file',
      undefined,
      ['--section', 'a'],
      /there is no configuration file: set --config/,
    ],
    [
      'no such section',
      'a:\n  app_uuid: x\nb:\n  c: d\n',
      ['--section', 'c'],
      /no section "c"; set --section to one of: a, b\./,
    ],
    [
      'no section of the environment',
      'a:\n  app_uuid: x\n',
      [],
      /no section "development"; set --section to one of: a\./,
    ],
    ['no YAML', 'app_uuid: "secret', [], /mauth\.yml is not a YAML document; correct it/],
    ['a list', '- secret', [], /must hold names with values/],
    ['a UUID that is none', 'app_uuid: secret', [], /`app_uuid` in mauth\.yml must be a UUID/],
    ['a number', 'private_key_file: 12', [], /`private_key_file` in mauth\.yml must be a path/],
    [
      'a URL that is none',
      'mauth_baseurl: "ftp://secret"',
      [],
      /`mauth_baseurl` in mauth\.yml must be a URL/,
    ],
    ['a flag that is none', 'v2_only_sign_requests: "secret"', [], /must be true or false/],
    ['both', 'v1_only_sign_requests: true\nv2_only_sign_requests: true', [], /must not both be true/],
    [
      'a key that is none',
      `app_uuid: ${fromFile.appUuid}\nprivate_key: secret`,
      [],
      /`privateKey`.*is not a private key/,
    ],
  ])('says what is wrong: %s', async (_name, content, args, text) => {
    if (content !== undefined) line.write('mauth.yml', content);
    const { exitCode, stderr } = (await signs(line, args)) as { exitCode: number; stderr: string };
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(text);
    expect(stderr).not.toContain('secret');
  });

  it('of the environment says which variable is wrong', async () => {
    const { exitCode, stderr } = (await signs(line, [], { APP_UUID: 'secret' })) as {
      exitCode: number;
      stderr: string;
    };
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/APP_UUID must be a UUID/);
    expect(stderr).not.toContain('secret');
  });
});
