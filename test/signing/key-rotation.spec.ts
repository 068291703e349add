import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { MAuthSigner } from '../../lib/core.js';
import { stringToSign, verifySignature } from '../../lib/protocol/index.js';
import { createTestApp } from '../support/test-app.js';

const old = createTestApp();
const renewed = createTestApp();
const { appUuid } = old;
const request = { method: 'POST', url: '/studies?page=1', body: 'x' };

/** Whose signature it is. */
async function signedBy(signer: MAuthSigner): Promise<'old' | 'renewed' | undefined> {
  const headers = await signer.signRequest(request);
  const isOf = (key: KeyObject) =>
    verifySignature(
      2,
      key,
      stringToSign(2, { ...request, appUuid, time: headers['MCC-Time'] }),
      Buffer.from(headers['MCC-Authentication'].split(':')[1].slice(0, -1), 'base64'),
    );
  return isOf(old.publicKey) ? 'old' : isOf(createPublicKey(renewed.publicKeyPem)) ? 'renewed' : undefined;
}

describe('A private key that changes', () => {
  let folder: string;
  let path: string;
  const lines: string[] = [];
  const logger = {
    log: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(line),
    error: (line: string) => void lines.push(`error: ${line}`),
  };
  const signerOf = (options: object = {}) =>
    new MAuthSigner({ appUuid, privateKeyFile: path, signVersions: 'v2', logger, ...options });
  /** The file is looked at, and what comes of it. */
  const look = async (condition: () => unknown) => {
    const giveUp = Date.now() + 10_000;
    while (!(await condition())) {
      if (Date.now() > giveUp) throw new Error(`nothing came of it: ${lines.join('; ')}`);
      jest.advanceTimersByTime(10_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  beforeEach(() => {
    // The interval alone: reading a file takes what it takes.
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'setTimeout', 'queueMicrotask', 'Date', 'performance'],
    });
    lines.length = 0;
    folder = mkdtempSync(join(tmpdir(), 'mauth-rotation-'));
    path = join(folder, 'key.pem');
    writeFileSync(path, old.privateKeyPem);
  });
  afterEach(() => {
    jest.useRealTimers();
    rmSync(folder, { recursive: true });
  });

  it('is read again from its file, and used from then on', async () => {
    const signer = signerOf();
    await expect(signedBy(signer)).resolves.toBe('old');
    writeFileSync(path, renewed.privateKeyPem);
    await look(async () => (await signedBy(signer)) === 'renewed');
    expect(lines).toEqual(['MAuth: `privateKeyFile` has changed; its private key is used from now on']);
  });

  it('is found where links are swapped, as for mounted secrets', async () => {
    for (const [name, { privateKeyPem }] of Object.entries({ first: old, second: renewed })) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'key.pem'), privateKeyPem);
    }
    symlinkSync('first', join(folder, 'data'));
    const signer = signerOf({ privateKeyFile: join(folder, 'data/key.pem') });
    await expect(signedBy(signer)).resolves.toBe('old');
    symlinkSync('second', join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'data'));
    await look(async () => (await signedBy(signer)) === 'renewed');
  });

  it.each([
    ['is empty', () => writeFileSync(path, '')],
    ['holds half a key', () => writeFileSync(path, renewed.privateKeyPem.slice(0, 900))],
    ['holds a public key', () => writeFileSync(path, renewed.publicKeyPem)],
    ['is gone', () => unlinkSync(path)],
    ['is a folder', () => (unlinkSync(path), mkdirSync(path))],
  ])('stays as it was where the file %s, and the log says so once', async (_, change) => {
    const signer = signerOf();
    change();
    await look(() => lines.length > 0);
    for (let turn = 0; turn < 20; turn++) {
      jest.advanceTimersByTime(10_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(lines).toEqual([
      expect.stringMatching(/^error: MAuth: `privateKeyFile` has changed, and the private key stays/),
    ]);
    expect(lines.join()).not.toContain(renewed.privateKeyPem.slice(100, 140));
    await expect(signedBy(signer)).resolves.toBe('old');
    rmSync(path, { recursive: true, force: true });
    writeFileSync(path, renewed.privateKeyPem);
    await look(async () => (await signedBy(signer)) === 'renewed');
  });

  it('is decrypted again where it is kept as ciphertext', async () => {
    const ciphers: Record<string, string> = { b2xk: old.privateKeyPem, bmV3: renewed.privateKeyPem };
    const decryptPrivateKey = (ciphertext: Buffer) => Promise.resolve(ciphers[ciphertext.toString('base64')]);
    writeFileSync(path, 'b2xk');
    const signer = signerOf({ decryptPrivateKey });
    await expect(signedBy(signer)).resolves.toBe('old');
    writeFileSync(path, 'bmV3');
    await look(async () => (await signedBy(signer)) === 'renewed');
  });

  it('never fails a request and never signs with half a key, under load', async () => {
    const signer = signerOf();
    const seen = new Set<string | undefined>();
    let isOver = false;
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) seen.add(await signedBy(signer));
    });
    const [head, tail] = [renewed.privateKeyPem.slice(0, 700), renewed.privateKeyPem.slice(700)];
    try {
      writeFileSync(path, head);
      await look(() => lines.length > 0);
      writeFileSync(path, head + tail);
      await look(() => seen.has('renewed'));
    } finally {
      isOver = true;
      await Promise.all(load);
    }
    expect([...seen].sort()).toEqual(['old', 'renewed']);
  });

  it('is put in place by the application with useKey', async () => {
    const signer = new MAuthSigner({ appUuid, privateKey: old.privateKey, signVersions: 'v2' });
    const underWay = signedBy(signer);
    signer.useKey(renewed.privateKeyPem);
    await expect(underWay).resolves.toBe('old');
    await expect(signedBy(signer)).resolves.toBe('renewed');
    signer.useKey(old.privateKey);
    await expect(signedBy(signer)).resolves.toBe('old');
  });

  it.each([
    ['text that is no key', 'secret-nonsense'],
    ['nothing', ''],
    ['a public key', renewed.publicKeyPem],
    ['a public KeyObject', renewed.publicKey],
    ['a number', 5 as unknown as string],
  ])('stays as it was where useKey gets %s', async (_, key) => {
    const signer = new MAuthSigner({ appUuid, privateKey: old.privateKey, signVersions: 'v2' });
    let error: unknown;
    try {
      signer.useKey(key);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: 'MAuthConfigurationError' });
    expect(inspect(error)).not.toContain('secret-nonsense');
    await expect(signedBy(signer)).resolves.toBe('old');
  });

  it('is not watched where it does not come from a file', () => {
    new MAuthSigner({ appUuid, privateKey: old.privateKey });
    expect(jest.getTimerCount()).toBe(0);
    signerOf();
    expect(jest.getTimerCount()).toBe(1);
  });
});
