import { inspect } from 'node:util';
import { MAuthAuthenticator, MAuthSigner, type MAuthOptions } from '../../lib/core.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { readPrivateKey } from '../../lib/protocol/index.js';
import { createTestApp } from '../support/test-app.js';

const WINDOW = 20;
const { appUuid, privateKey, privateKeyPem, publicKey } = createTestApp();
const PKCS1 = privateKey.export({ format: 'pem', type: 'pkcs1' }).toString();
const bodyOf = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, '');

/** Every window of 20 characters of the key, in each form in which it may be written. */
const windows = new Set(
  [privateKeyPem, PKCS1].flatMap((pem) => {
    const body = bodyOf(pem);
    const forms = [body, Buffer.from(pem).toString('base64'), Buffer.from(body, 'base64').toString('hex')];
    return forms.flatMap((form) =>
      Array.from({ length: form.length - WINDOW + 1 }, (_, start) => form.slice(start, start + WINDOW)),
    );
  }),
);

function shows(text: string): boolean {
  const joined = text.replace(/\\n|\s|['"+]/g, '');
  for (const shown of [text, joined]) {
    for (let start = 0; start + WINDOW <= shown.length; start++) {
      if (windows.has(shown.slice(start, start + WINDOW))) return true;
    }
  }
  return false;
}

function everyViewOf(value: unknown): string {
  const options = {
    depth: Infinity,
    showHidden: true,
    getters: true,
    maxStringLength: null,
    maxArrayLength: null,
  };
  const error = value instanceof Error ? `${value.message}${value.stack}${String(value)}` : '';
  return `${inspect(value, options)}${JSON.stringify(value)}${JSON.stringify(Object.entries(value as object))}${error}`;
}

describe('The private key', () => {
  const options: MAuthOptions = {
    appUuid,
    privateKey: privateKeyPem,
    mauthUrl: 'https://mauth.example.com',
    findPublicKey: () => publicKey,
  };

  it('would be found, were it there', () => {
    expect(shows(everyViewOf(options))).toBe(true);
    expect(shows(everyViewOf({ key: PKCS1.split('\n')[3] }))).toBe(true);
    expect(shows(everyViewOf(new Error(privateKeyPem)))).toBe(true);
  });

  it.each<[string, () => object]>([
    ['the settings', () => resolveSettings(options)],
    ['a signer', () => new MAuthSigner(options)],
    ['a signer with a parsed key', () => new MAuthSigner({ ...options, privateKey })],
    [
      'a signer whose key is being decrypted',
      () => new MAuthSigner({ ...options, privateKey: 'AAAA', decryptPrivateKey: async () => privateKeyPem }),
    ],
    ['an authenticator', () => new MAuthAuthenticator(options)],
  ])('does not show in %s', (_, make) => {
    expect(shows(everyViewOf(make()))).toBe(false);
  });

  it('does not show in a signer that has signed', async () => {
    const signer = new MAuthSigner({
      ...options,
      privateKey: 'AAAA',
      decryptPrivateKey: async () => privateKeyPem,
    });
    const headers = await signer.signRequest({ method: 'GET', url: '/' });
    expect(shows(everyViewOf(signer) + JSON.stringify(headers))).toBe(false);
  });

  const damaged = privateKeyPem.replace(/\n.{64}\n/, '\n');

  it.each<[string, Partial<Record<keyof MAuthOptions, unknown>>]>([
    ['damaged', { privateKey: damaged }],
    ['damaged, in base64', { privateKey: Buffer.from(damaged).toString('base64') }],
    ['without its footer', { privateKey: privateKeyPem.replace('-----END PRIVATE KEY-----', '') }],
    ['without its header', { privateKey: privateKeyPem.replace('-----BEGIN PRIVATE KEY-----', '') }],
    ['damaged, without header and footer', { privateKey: bodyOf(damaged) }],
    ['with text before it', { privateKey: `x${privateKeyPem}` }],
    ['under another label', { privateKey: privateKeyPem.replaceAll('PRIVATE', 'PUBLIC') }],
    ['twice', { privateKey: privateKeyPem + privateKeyPem }],
    ['beside a file', { privateKey: privateKeyPem, privateKeyFile: 'x' }],
    ['in place of its file', { privateKey: undefined, privateKeyFile: privateKeyPem }],
    ['bare, in place of its file', { privateKey: undefined, privateKeyFile: bodyOf(privateKeyPem) }],
    ['cut, in place of its file', { privateKey: undefined, privateKeyFile: privateKeyPem.slice(0, 200) }],
    ['in place of the UUID', { appUuid: privateKeyPem }],
    ['in place of the URL', { mauthUrl: privateKeyPem }],
    ['in place of the versions', { signVersions: privateKeyPem }],
    ['in place of the mode', { mode: privateKeyPem }],
    ['in place of the API version', { apiVersion: privateKeyPem }],
    ['in place of an app', { apps: { rave: privateKeyPem } }],
    ['in place of a number', { allowedDriftSeconds: privateKeyPem }],
    ['in place of the options', { keys: privateKeyPem }],
  ])('does not show in the error when it is %s', (_, change) => {
    try {
      new MAuthSigner({ ...options, ...change } as MAuthOptions);
    } catch (error) {
      expect((error as Error).name).toBe('MAuthConfigurationError');
      expect(shows(everyViewOf(error))).toBe(false);
      return;
    }
    throw new Error('not reached');
  });

  it('does not show in the error when decryption gives a damaged one', async () => {
    const signer = new MAuthSigner({
      ...options,
      privateKey: 'AAAA',
      decryptPrivateKey: async () => damaged,
    });
    const error = await signer.ready().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(shows(everyViewOf(error))).toBe(false);
  });

  it('does not show in the errors of a signer', async () => {
    const signer = new MAuthSigner(options);
    const errors = [
      await signer.signRequest({ method: 'get', url: '/' }).catch((error: unknown) => error),
      await signer.signRequest({ method: 'GET', url: privateKeyPem }).catch((error: unknown) => error),
      await signer.signRequest({ method: privateKeyPem, url: '/' }).catch((error: unknown) => error),
    ];
    for (const error of errors) expect(shows(everyViewOf(error))).toBe(false);
  });

  it('does not show in the error of the function that reads it', () => {
    for (const text of [damaged, privateKeyPem + privateKeyPem]) {
      try {
        readPrivateKey(text);
        throw new Error('not reached');
      } catch (error) {
        expect((error as Error).name).toBe('UnusableKeyError');
        expect(shows(everyViewOf(error))).toBe(false);
      }
    }
  });
});
