import { KMSClient } from '@aws-sdk/client-kms';
import { inspect } from 'node:util';
import { MAuthConfigurationError, MAuthSigner } from '../../lib/core.js';
import { kmsDecryptor, type KmsDecryptorOptions } from '../../lib/kms/index.js';
import { MAuthModule } from '../../lib/nest/mauth.module.js';
import { PLATFORMS, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import { KmsStandIn, provideAwsEnvironment } from './kms-stand-in.js';

const app = createTestApp();

describe('a private key that is encrypted with KMS', () => {
  let kms: KmsStandIn;
  let takeBack: () => void;

  beforeAll(async () => {
    kms = await KmsStandIn.start();
    takeBack = provideAwsEnvironment();
  });
  afterEach(() => {
    kms.answer = undefined;
    kms.requests = 0;
  });
  afterAll(async () => {
    takeBack();
    await kms.close();
  });

  const signerFor = (privateKey: string, options: KmsDecryptorOptions = {}) =>
    new MAuthSigner({
      appUuid: app.appUuid,
      privateKey,
      signVersions: 'v2',
      decryptPrivateKey: kmsDecryptor({ endpoint: kms.url, ...options }),
    });

  const failureOf = async (signer: MAuthSigner): Promise<MAuthConfigurationError> => {
    const failure: unknown = await signer.ready().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MAuthConfigurationError);
    return failure as MAuthConfigurationError;
  };

  it('signs as the plain key does', async () => {
    const signer = signerFor(kms.encrypt(app.privateKeyPem));
    const plain = new MAuthSigner({
      appUuid: app.appUuid,
      privateKey: app.privateKeyPem,
      signVersions: 'v2',
    });
    const request = { method: 'GET', url: '/studies' };
    await expect(signer.signRequest(request, { time: 1_700_000_000 })).resolves.toEqual(
      await plain.signRequest(request, { time: 1_700_000_000 }),
    );
    expect(kms.requests).toBe(1);
  });

  it('may be a PEM on one line with spaces inside, as environment variables carry it', async () => {
    const oneLine = app.privateKeyPem.trim().replaceAll('\n', ' ');
    await expect(signerFor(kms.encrypt(oneLine)).ready()).resolves.toBeUndefined();
  });

  it('is decrypted with the key and the encryption context that are asked for', async () => {
    const ciphertext = kms.encrypt(app.privateKeyPem, { keyId: 'alias/mauth', context: { stage: 'prod' } });
    const right = { keyId: 'alias/mauth', encryptionContext: { stage: 'prod' } };
    await expect(signerFor(ciphertext, right).ready()).resolves.toBeUndefined();
    const wrongKey = await failureOf(signerFor(ciphertext, { ...right, keyId: 'alias/other' }));
    expect(String(wrongKey.cause)).toContain('correct `keyId`');
    const wrongContext = await failureOf(signerFor(ciphertext, { keyId: 'alias/mauth' }));
    expect(String(wrongContext.cause)).toContain('InvalidCiphertextException, status 400');
  });

  it('can be decrypted by a client of your own', async () => {
    const client = new KMSClient({ endpoint: kms.url, region: 'us-east-1' });
    const ciphertext = kms.encrypt(app.privateKeyPem);
    const signer = signerFor(ciphertext, { client, endpoint: undefined });
    await expect(signer.ready()).resolves.toBeUndefined();
    client.destroy();
  });

  it('does not trouble KMS when it is plain after all', async () => {
    await signerFor(app.privateKeyPem).ready();
    expect(kms.requests).toBe(0);
  });

  it.each([
    ['AccessDeniedException', 'allow this role kms:Decrypt'],
    ['NotFoundException', 'correct `region` or `keyId`'],
    ['ExpiredTokenException', 'renew them'],
    ['SomethingNewException', 'check region, endpoint, network and permissions'],
  ])('stops the signer with a remedy when KMS answers %s', async (type, remedy) => {
    kms.answer = (_request, response) =>
      response
        .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
        .end(JSON.stringify({ __type: type, message: 'says KMS' }));
    const failure = await failureOf(signerFor(kms.encrypt(app.privateKeyPem)));
    expect(failure.message).toContain('`privateKey` (environment: PRIVATE_KEY');
    expect(String(failure.cause)).toContain(remedy);
    expect(String(failure.cause)).toContain(type);
  });

  it('stops the signer when KMS cannot be reached', async () => {
    const failure = await failureOf(
      signerFor(kms.encrypt(app.privateKeyPem), { endpoint: 'http://127.0.0.1:9' }),
    );
    expect(String(failure.cause)).toContain('check region, endpoint, network');
  });

  it('stops the signer in time when KMS does not answer', async () => {
    kms.answer = () => undefined;
    const started = performance.now();
    const failure = await failureOf(signerFor(kms.encrypt(app.privateKeyPem), { deadlineMs: 300 }));
    expect(performance.now() - started).toBeLessThan(1500);
    expect(String(failure.cause)).toContain('within 300 ms');
  });

  it('stops the signer in time when the credentials take too long', async () => {
    const client = new KMSClient({
      endpoint: kms.url,
      region: 'eu-west-1',
      credentials: () => new Promise(() => undefined),
    });
    const options = { client, endpoint: undefined, deadlineMs: 200 };
    const failure = await failureOf(signerFor(kms.encrypt(app.privateKeyPem), options));
    expect(String(failure.cause)).toContain('within 200 ms');
    client.destroy();
  });

  it.each([
    ['', 'nothing for KMS to decrypt'],
    ['!', 'nothing for KMS to decrypt'],
  ])('is not asked for when there is no ciphertext (%j)', async (ciphertext, words) => {
    const decrypt = kmsDecryptor({ endpoint: kms.url });
    await expect(decrypt(Buffer.from(ciphertext, 'base64'))).rejects.toThrow(words);
    expect(kms.requests).toBe(0);
  });

  it('never shows in what is thrown, whatever KMS answers', async () => {
    const ciphertext = kms.encrypt(app.privateKeyPem);
    const answers: [number, string][] = [
      [200, app.privateKeyPem],
      [200, JSON.stringify({ Plaintext: '' })],
      [200, JSON.stringify({ Plaintext: Buffer.from(`${app.privateKeyPem}junk`).toString('base64') })],
      [400, JSON.stringify({ __type: 'InvalidCiphertextException', message: app.privateKeyPem })],
      [400, JSON.stringify({ __type: app.privateKeyPem })],
      [400, app.privateKeyPem],
    ];
    for (const [status, body] of answers) {
      kms.answer = (_request, response) =>
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
      const failure = await failureOf(signerFor(ciphertext));
      const shown = inspect(failure, { depth: null, showHidden: true }) + JSON.stringify(failure);
      expect(shown).toContain('PRIVATE_KEY');
      expect(shown).not.toContain(ciphertext);
      const secret = app.privateKeyPem.split('\n')[3] ?? '';
      for (let at = 0; at + 20 <= secret.length; at++) {
        expect(shown).not.toContain(secret.slice(at, at + 20));
      }
    }
  });

  it.each([
    [{ deadlineMs: 0 }, '`deadlineMs`'],
    [{ deadlineMs: Infinity }, '`deadlineMs`'],
    [{ client: new KMSClient({ region: 'eu-west-1' }), region: 'eu-west-1' }, '`region` and `endpoint`'],
  ])('needs options that make sense (%#)', (options: KmsDecryptorOptions, words) => {
    expect(() => kmsDecryptor(options)).toThrow(MAuthConfigurationError);
    expect(() => kmsDecryptor(options)).toThrow(words);
  });

  describe.each(PLATFORMS)('in a Nest application on %s', (_name, createAdapter) => {
    const moduleWith = (privateKey: string) =>
      MAuthModule.forRoot({
        appUuid: app.appUuid,
        privateKey,
        mauthUrl: 'https://mauth.example.com',
        decryptPrivateKey: kmsDecryptor({ region: 'eu-west-1', endpoint: kms.url, keyId: 'alias/mauth' }),
      });

    it('starts, and signs with the key', async () => {
      const ciphertext = kms.encrypt(app.privateKeyPem, { keyId: 'alias/mauth' });
      const running = await startApp(createAdapter, { imports: [moduleWith(ciphertext)] });
      const headers = await running.app.get(MAuthSigner).signRequest({ method: 'GET', url: '/' });
      expect(headers).toHaveProperty('X-MWS-Authentication');
      await running.close();
    });

    it('does not start when KMS refuses', async () => {
      const ciphertext = kms.encrypt(app.privateKeyPem, { keyId: 'alias/other' });
      await expect(startApp(createAdapter, { imports: [moduleWith(ciphertext)] })).rejects.toThrow(
        MAuthConfigurationError,
      );
    });
  });
});
