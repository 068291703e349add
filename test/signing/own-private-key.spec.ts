import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { MAuthConfigurationError, MAuthSigner, type MAuthSignerOptions } from '../../lib/core.js';
import { createTestApp } from '../support/test-app.js';

const { appUuid, privateKey, privateKeyPem, publicKey, publicKeyPem } = createTestApp();
const folder = mkdtempSync(join(tmpdir(), 'mauth-key-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, 'key.pem');
  writeFileSync(path, content);
  return path;
}

const request = { method: 'GET', url: '/' };
const sign = async (options: Omit<MAuthSignerOptions, 'appUuid'>) => {
  const signer = new MAuthSigner({ appUuid, now: () => 1000, ...options });
  await signer.ready();
  return signer.signRequest(request);
};
const signed = sign({ privateKey });
const KEY = 'MAuth option `privateKey` (environment: PRIVATE_KEY, MAUTH_PRIVATE_KEY, APP_MAUTH_PRIVATE_KEY)';
const FILE = 'MAuth option `privateKeyFile` (environment: MAUTH_PRIVATE_KEY_FILE)';
const unreadable = (path: string, code: string) =>
  `${FILE} names a file that cannot be read (${code}): ${JSON.stringify(path)}, from the working directory ` +
  `${JSON.stringify(process.cwd())}; check the path and its permissions.`;
const PATHS = [
  '/run/secrets/mauth',
  '/run/secrets/key', // which is base64, too
  './mauth',
  '../keys/mauth',
  '~/mauth',
  'C:\\keys\\mauth',
  'file:///run/secrets/mauth',
  'keys/mauth.pem',
  'mauth.key',
];
const KEYS: readonly [string, string][] = [
  ['a PEM', privateKeyPem],
  ['a PEM on one line', privateKeyPem.replaceAll('\n', '\\n')],
  ['half of a PEM', privateKeyPem.slice(0, 100)],
  ['the end of a PEM', privateKeyPem.slice(-100)],
  ['one line of a PEM', privateKeyPem.split('\n')[1]],
  ['base64 of a PEM', Buffer.from(privateKeyPem).toString('base64')],
  ['base64 of the DER', privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')],
  ['ciphertext', Buffer.alloc(1300, 7).toString('base64')],
  ['several lines', 'a\nb'],
];
const CIPHERTEXT = Buffer.from('ciphertext \xff', 'latin1');

describe('The own private key', () => {
  it.each<[string, () => Omit<MAuthSignerOptions, 'appUuid'>]>([
    ['text', () => ({ privateKey: privateKeyPem })],
    ['text on one line', () => ({ privateKey: privateKeyPem.replaceAll('\n', '') })],
    ['a file', () => ({ privateKeyFile: file(privateKeyPem) })],
    ['a file with base64', () => ({ privateKeyFile: file(Buffer.from(privateKeyPem).toString('base64')) })],
    [
      'ciphertext',
      () => ({ privateKey: CIPHERTEXT.toString('base64'), decryptPrivateKey: async () => privateKeyPem }),
    ],
    [
      'ciphertext that decrypts to bytes',
      () => ({
        privateKey: CIPHERTEXT.toString('base64'),
        decryptPrivateKey: async () => Buffer.from(privateKeyPem),
      }),
    ],
    [
      'a file of ciphertext',
      () => ({
        privateKeyFile: file(CIPHERTEXT.toString('base64')),
        decryptPrivateKey: async () => privateKeyPem,
      }),
    ],
  ])('may be %s: all of them sign alike', async (_, options) => {
    expect(await sign(options())).toEqual(await signed);
  });

  it('is decrypted from the bytes behind the base64, once, and not where it is a key already', async () => {
    const decryptPrivateKey = jest.fn(async (_ciphertext: Buffer) => privateKeyPem);
    const signer = new MAuthSigner({ appUuid, privateKey: CIPHERTEXT.toString('base64'), decryptPrivateKey });
    await Promise.all([signer.signRequest(request), signer.signRequest(request), signer.ready()]);
    await signer.signRequest(request);
    expect(decryptPrivateKey.mock.calls).toEqual([[CIPHERTEXT]]);
    await sign({ privateKey: privateKeyPem, decryptPrivateKey });
    expect(decryptPrivateKey).toHaveBeenCalledTimes(1);
  });

  it('is waited for also where a library has put a class of its own in the place of Promise', async () => {
    const { Promise: own } = globalThis;
    globalThis.Promise = class extends own<never> {} as unknown as PromiseConstructor;
    try {
      const signer = new MAuthSigner({
        appUuid,
        privateKey: CIPHERTEXT.toString('base64'),
        decryptPrivateKey: async () => privateKeyPem,
        now: () => 1000,
      });
      expect(await signer.signRequest(request)).toEqual(await signed);
    } finally {
      globalThis.Promise = own;
    }
  });

  it.each<[string, () => Omit<MAuthSignerOptions, 'appUuid'>, string]>([
    [
      'text that is no key',
      () => ({ privateKey: 'no key' }),
      `${KEY} is not a private key in any accepted form; give a PEM, or set \`decryptPrivateKey\` for ciphertext.`,
    ],
    [
      'a public key',
      () => ({ privateKey: publicKeyPem }),
      `${KEY} cannot be used. The private key must be exactly one PEM block, "PRIVATE KEY" or "RSA PRIVATE KEY".`,
    ],
    [
      'a parsed public key',
      () => ({ privateKey: publicKey }),
      `${KEY} cannot be used. The key is not a private key.`,
    ],
    [
      'a short key',
      () => ({ privateKey: createTestApp(undefined, 1024).privateKeyPem }),
      `${KEY} cannot be used. The key has 1024 bits; 2048 to 8192 are accepted.`,
    ],
    [
      'a damaged key',
      () => ({ privateKey: privateKeyPem.replace(/\n.{64}\n/, '\n') }),
      `${KEY} cannot be used. The private key cannot be read.`,
    ],
    ...PATHS.map<[string, () => Omit<MAuthSignerOptions, 'appUuid'>, string]>((path) => [
      `a path: ${path}`,
      () => ({ privateKey: path }),
      `${KEY} looks like a path; set \`privateKeyFile\` (environment: MAUTH_PRIVATE_KEY_FILE) instead.`,
    ]),
    [
      'a path in quotes',
      () => ({ privateKey: '"/run/secrets/mauth"\n' }),
      `${KEY} looks like a path; set \`privateKeyFile\` (environment: MAUTH_PRIVATE_KEY_FILE) instead.`,
    ],
    [
      'the name of a file that is there',
      () => ({ privateKey: relative(process.cwd(), __filename) }),
      `${KEY} looks like a path; set \`privateKeyFile\` (environment: MAUTH_PRIVATE_KEY_FILE) instead.`,
    ],
    [
      'a file that is not there',
      () => ({ privateKeyFile: join(folder, 'missing') }),
      unreadable(join(folder, 'missing'), 'ENOENT'),
    ],
    [
      'a file that is not in the working directory',
      () => ({ privateKeyFile: 'keys/missing.pem' }),
      unreadable('keys/missing.pem', 'ENOENT'),
    ],
    ['a folder', () => ({ privateKeyFile: folder }), unreadable(folder, 'EISDIR')],
    [
      'a file whose name was left in quotes',
      () => ({ privateKeyFile: '"mauth.pem"' }),
      unreadable('"mauth.pem"', 'ENOENT'),
    ],
    ...KEYS.map<[string, () => Omit<MAuthSignerOptions, 'appUuid'>, string]>(([form, text]) => [
      `${form} where a path belongs`,
      () => ({ privateKeyFile: text }),
      `${FILE} cannot be read, and may hold the key itself instead of its path; then set \`privateKey\` ` +
        '(environment: PRIVATE_KEY, MAUTH_PRIVATE_KEY, APP_MAUTH_PRIVATE_KEY).',
    ]),
    [
      'an empty file',
      () => ({ privateKeyFile: file('') }),
      `${FILE} is not a private key in any accepted form; give a PEM, or set \`decryptPrivateKey\` for ciphertext.`,
    ],
    [
      'a file with a public key',
      () => ({ privateKeyFile: file(publicKeyPem) }),
      `${FILE} cannot be used. The private key must be exactly one PEM block, "PRIVATE KEY" or "RSA PRIVATE KEY".`,
    ],
  ])('may not be %s, and the error names the option and the remedy', (_, options, message) => {
    const make = () => new MAuthSigner({ appUuid, ...options() });
    expect(make).toThrow(MAuthConfigurationError);
    expect(make).toThrow(expect.objectContaining({ message, code: 'configuration' }));
  });

  const cause = new Error('no access');

  it.each<[string, () => Promise<string | Buffer>, string]>([
    [
      'fails',
      () => Promise.reject(cause),
      'could not be decrypted: `decryptPrivateKey` failed; see the cause.',
    ],
    [
      'gives no key',
      async () => 'no key',
      'was decrypted by `decryptPrivateKey` to something that is not a private key.',
    ],
    [
      'gives nothing',
      async () => undefined as never,
      'was decrypted by `decryptPrivateKey` to something that is not a private key.',
    ],
    [
      'gives a public key',
      async () => publicKeyPem,
      'cannot be used. The private key must be exactly one PEM block, "PRIVATE KEY" or "RSA PRIVATE KEY".',
    ],
  ])(
    'cannot be had when decryption %s; whoever signs or awaits it learns that',
    async (_, decryptPrivateKey, remedy) => {
      const signer = new MAuthSigner({
        appUuid,
        privateKey: CIPHERTEXT.toString('base64'),
        decryptPrivateKey,
      });
      await new Promise(setImmediate); // an unhandled rejection would end the process here
      const error = { name: 'MAuthConfigurationError', message: `${KEY} ${remedy}` };
      await expect(signer.ready()).rejects.toMatchObject(error);
      await expect(signer.signRequest(request)).rejects.toMatchObject(error);
    },
  );

  it.each(['/run/secrets/mauth', 'mauth.pem'])(
    'that looks like a path (%s) and fails to be decrypted says so',
    async (path) => {
      const decryptPrivateKey = () => Promise.reject(cause);
      await expect(sign({ privateKey: path, decryptPrivateKey })).rejects.toThrow(
        `${KEY} could not be decrypted: \`decryptPrivateKey\` failed; see the cause. It looks like a path; if it is one, ` +
          'set `privateKeyFile` (environment: MAUTH_PRIVATE_KEY_FILE) instead.',
      );
    },
  );

  it('that could not be decrypted has the cause for the log', async () => {
    const decryptPrivateKey = () => Promise.reject(cause);
    await expect(sign({ privateKey: 'AAAA', decryptPrivateKey })).rejects.toMatchObject({ cause });
  });

  it('that fails to decrypt at once is no different', async () => {
    const decryptPrivateKey = () => {
      throw cause;
    };
    const signer = new MAuthSigner({ appUuid, privateKey: 'AAAA', decryptPrivateKey });
    await expect(signer.ready()).rejects.toMatchObject({ cause });
  });
});
