import {
  constants,
  createHash,
  createSecretKey,
  privateEncrypt,
  publicEncrypt,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { verifySignature } from '../../lib/protocol/index.js';
import { createKeyPair } from '../support/key-pair.js';
import { createTestApp } from '../support/test-app.js';
import {
  cubeRoot,
  cubeRootOfEnd,
  modulusOf,
  modulusOfBits,
  publicKeyOf,
  toBytes,
  toNumber,
} from './rsa-number.js';

const { publicKey, privateKey } = createTestApp();
const modulus = modulusOf(publicKey);
const LENGTH = 256;
const MESSAGE = Buffer.from('GET\n/studies\n\n5ff4257e-9c16-11e0-b048-0026bbfffe5e\n1585082925');
const DIGEST = Buffer.from(createHash('sha512').update(MESSAGE).digest('hex'), 'latin1');
const HASH = createHash('sha512').update(MESSAGE).digest();
const SHA512_INFO = Buffer.from('3051300d060960864801650304020305000440', 'hex');

/** The raw private operation on a block of our own making. */
function rawSignature(block: Uint8Array): Buffer {
  expect(block).toHaveLength(LENGTH);
  return privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, block);
}

/** A block of type 1 around its content, padded to the length of the key. */
function block(content: Uint8Array, { type = 1, filler = 0xff, length = LENGTH } = {}): Buffer {
  const padding = Buffer.alloc(length - content.length - 3, filler);
  return Buffer.concat([Buffer.of(0, type), padding, Buffer.of(0), content]);
}

const v1 = (signature: Uint8Array, key: KeyObject = publicKey) => verifySignature(1, key, MESSAGE, signature);
const v2 = (signature: Uint8Array, key: KeyObject = publicKey) => verifySignature(2, key, MESSAGE, signature);

describe('A V1 signature', () => {
  const good = rawSignature(block(DIGEST));

  it('is accepted when its block is the one that the digest demands', () => {
    expect(v1(good)).toBe(true);
  });

  it('is refused for any other message', () => {
    expect(verifySignature(1, publicKey, Buffer.concat([MESSAGE, Buffer.of(0)]), good)).toBe(false);
  });

  const shortPadding = (size: number, content: Uint8Array, after: Uint8Array) =>
    Buffer.concat([Buffer.of(0, 1), Buffer.alloc(size, 0xff), Buffer.of(0), content, after]);
  const rest = (used: number) => Buffer.alloc(LENGTH - 3 - used, 0xff);
  const changed = (at: number, to: number) => {
    const copy = block(DIGEST);
    copy[at] = to;
    return copy;
  };

  it.each<[string, Buffer]>([
    ['type 0', block(DIGEST, { type: 0, filler: 0 })],
    ['type 0 with padding of FF', block(DIGEST, { type: 0 })],
    ['type 2', block(DIGEST, { type: 2 })],
    ['type 2 with random padding', block(DIGEST, { type: 2, filler: 0x5a })],
    ['a first byte other than 0 below the modulus', changed(0, 1)],
    ['padding of 8 bytes, and the rest behind the digest', shortPadding(8, DIGEST, rest(8 + 128))],
    ['no padding at all', shortPadding(0, DIGEST, rest(128))],
    ['padding that is not FF', block(DIGEST, { filler: 0xfe })],
    ['one byte of padding that is not FF', changed(60, 0xfe)],
    ['a padding that ends one byte early', changed(126, 0)],
    ['a separator other than 0', changed(127, 0xff)],
    ['a byte before the digest', block(Buffer.concat([Buffer.of(0), DIGEST]))],
    ['white space before the digest', block(Buffer.concat([Buffer.from(' '), DIGEST]))],
    ['a byte behind the digest', block(Buffer.concat([DIGEST, Buffer.of(0)]))],
    ['a line feed behind the digest', block(Buffer.concat([DIGEST, Buffer.from('\n')]))],
    ['a digest in upper case', block(Buffer.from(DIGEST.toString().toUpperCase()))],
    ['a leading zero before the digest', block(Buffer.concat([Buffer.from('0'), DIGEST]))],
    ['a digest cut short', block(DIGEST.subarray(0, 127))],
    ['the digest as bytes, not hexadecimal', block(HASH)],
    ['a DigestInfo around the hash', block(Buffer.concat([SHA512_INFO, HASH]))],
    ['a DigestInfo around the hexadecimal digest', block(Buffer.concat([SHA512_INFO, DIGEST]))],
    ['the SHA-256 of the message', block(Buffer.from(createHash('sha256').update(MESSAGE).digest('hex')))],
    ['nothing in its block', block(Buffer.alloc(0))],
  ])('is refused with %s', (_, forged) => {
    expect(v1(rawSignature(forged))).toBe(false);
  });

  it('is refused with the modulus added, which is the same number modulo the modulus', () => {
    let message = MESSAGE;
    let number = modulus;
    while (number + modulus >= 1n << BigInt(LENGTH * 8)) {
      message = Buffer.concat([message, Buffer.of(0x61)]);
      const digest = createHash('sha512').update(message).digest('hex');
      number = toNumber(rawSignature(block(Buffer.from(digest))));
    }
    expect(verifySignature(1, publicKey, message, toBytes(number, LENGTH))).toBe(true);
    expect(verifySignature(1, publicKey, message, toBytes(number + modulus, LENGTH))).toBe(false);
  });

  it.each([
    ['zero', 0n],
    ['one', 1n],
    ['the modulus less one', modulus - 1n],
    ['the modulus', modulus],
    ['the modulus and one', modulus + 1n],
    ['the greatest number of its length', (1n << BigInt(LENGTH * 8)) - 1n],
    ['the block itself', toNumber(block(DIGEST))],
  ])('is refused when it is %s', (_, number) => {
    expect(v1(toBytes(number, LENGTH))).toBe(false);
  });

  it.each<[string, Buffer]>([
    ['empty', Buffer.alloc(0)],
    ['one byte short', good.subarray(1)],
    ['cut at its end', good.subarray(0, LENGTH - 1)],
    ['one zero longer in front', Buffer.concat([Buffer.of(0), good])],
    ['one zero longer behind', Buffer.concat([good, Buffer.of(0)])],
    ['twice', Buffer.concat([good, good])],
  ])('is refused when it is %s', (_, forged) => {
    expect(v1(forged)).toBe(false);
  });

  it('is refused when it is a V2 signature', () => {
    expect(v1(sign('sha512', MESSAGE, privateKey))).toBe(false);
  });

  it('is refused under another key', () => {
    expect(v1(good, createTestApp().publicKey)).toBe(false);
  });

  it.each<[number, string, Buffer]>([
    [512, 'the end of the digest', DIGEST.subarray(-64)],
    [1024, 'the digest alone', DIGEST],
    [1032, 'a zero and the digest', Buffer.concat([Buffer.of(0), DIGEST])],
    [1048, 'no padding', block(DIGEST, { length: 131 })],
    [1104, 'seven bytes of padding', block(DIGEST, { length: 138 })],
  ])('is refused under a key of %i bits, which has only room for %s', (bits, _, forged) => {
    // The exponent 1 makes the signature the block: what an attacker could reach at best.
    expect(v1(forged, publicKeyOf(modulusOfBits(bits), 1n))).toBe(false);
  });

  it('is accepted under such a key as soon as there is room for eight bytes of padding', () => {
    expect(v1(block(DIGEST, { length: 139 }), publicKeyOf(modulusOfBits(1112), 1n))).toBe(true);
  });
});

describe('A V2 signature', () => {
  const good = sign('sha512', MESSAGE, privateKey);
  const info = (hex: string, hash: Uint8Array = HASH) =>
    block(Buffer.concat([Buffer.from(hex, 'hex'), hash]));
  const sha256 = createHash('sha256').update(MESSAGE).digest();

  it('is accepted when its block is the one that the standard demands', () => {
    expect(v2(good)).toBe(true);
    expect(good).toEqual(rawSignature(block(Buffer.concat([SHA512_INFO, HASH]))));
  });

  it.each(['sha1', 'sha224', 'sha256', 'sha384', 'sha512-256', 'sha3-512'])('is refused with %s', (hash) => {
    expect(v2(sign(hash, MESSAGE, privateKey))).toBe(false);
  });

  it.each<[string, Buffer]>([
    ['the SHA-256 of the message named SHA-512', info('3031300d060960864801650304020305000420', sha256)],
    ['the SHA-512 named SHA-256', info('3051300d060960864801650304020105000440')],
    ['a DigestInfo without its NULL', info('304f300b0609608648016503040203' + '0440')],
    ['other parameters in place of NULL', info('3051300d060960864801650304020304000440')],
    ['a length in the long form', info('308151300d060960864801650304020305000440')],
    ['a DigestInfo that is cut short', info('300d06096086480165030402030500')],
    ['no DigestInfo', block(HASH)],
    ['the hexadecimal digest in a DigestInfo', block(Buffer.concat([SHA512_INFO, DIGEST]))],
    ['a byte behind the hash', block(Buffer.concat([SHA512_INFO, HASH, Buffer.of(0)]))],
    ['a hash cut short', block(Buffer.concat([SHA512_INFO, HASH.subarray(0, 63)]))],
    ['a block of type 2', block(Buffer.concat([SHA512_INFO, HASH]), { type: 2 })],
    ['padding that is not FF', block(Buffer.concat([SHA512_INFO, HASH]), { filler: 0x11 })],
    [
      'padding of 8 bytes, and the rest behind the hash',
      Buffer.concat([
        Buffer.of(0, 1),
        Buffer.alloc(8, 0xff),
        Buffer.of(0),
        SHA512_INFO,
        HASH,
        Buffer.alloc(LENGTH - 11 - 83, 0x11),
      ]),
    ],
  ])('is refused with %s', (_, forged) => {
    expect(v2(rawSignature(forged))).toBe(false);
  });

  it('is refused for each byte of its block that is another one, as OpenSSL refuses it', () => {
    const whole = block(Buffer.concat([SHA512_INFO, HASH]));
    const accepted: number[] = [];
    // A first byte above 0 makes a number beyond the modulus, which cannot be signed.
    for (let at = 1; at < LENGTH; at++) {
      for (const change of [1, 0x80, 0xff]) {
        const changed = Buffer.from(whole);
        changed[at] ^= change;
        const forged = rawSignature(changed);
        const verdicts = [v2(forged), verify('sha512', MESSAGE, publicKey, forged)];
        if (verdicts.includes(true)) accepted.push(at);
      }
    }
    expect(accepted).toEqual([]);
    expect([v2(rawSignature(whole)), verify('sha512', MESSAGE, publicKey, rawSignature(whole))]).toEqual([
      true,
      true,
    ]);
  });

  it('is refused with padding of PSS', () => {
    const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    expect(v2(sign('sha512', MESSAGE, pss))).toBe(false);
  });

  it('is refused when it is a V1 signature', () => {
    expect(v2(rawSignature(block(DIGEST)))).toBe(false);
  });

  it.each<[string, Buffer]>([
    ['empty', Buffer.alloc(0)],
    ['one byte short', good.subarray(1)],
    ['one zero longer', Buffer.concat([Buffer.of(0), good])],
    ['zero', Buffer.alloc(LENGTH)],
    ['one', toBytes(1n, LENGTH)],
    ['the modulus', toBytes(modulus, LENGTH)],
  ])('is refused when it is %s', (_, forged) => {
    expect(v2(forged)).toBe(false);
  });
});

describe('A signature of another algorithm', () => {
  const ec = createKeyPair('ec', { namedCurve: 'P-256' });
  const ed25519 = createKeyPair('ed25519');
  const pss = createKeyPair('rsa-pss');

  it.each<[string, KeyObject, Buffer]>([
    ['ECDSA', ec.publicKey, sign('sha512', MESSAGE, ec.privateKey)],
    ['Ed25519', ed25519.publicKey, sign(null, MESSAGE, ed25519.privateKey)],
    ['RSASSA-PSS', pss.publicKey, sign('sha512', MESSAGE, pss.privateKey)],
  ])('%s is refused, though its own key verifies it', (_, key, signature) => {
    expect([v1(signature, key), v2(signature, key)]).toEqual([false, false]);
  });

  it('is refused under a secret key, and a good one under the private key in place of the public one', () => {
    const signature = sign('sha512', MESSAGE, privateKey);
    expect(v2(signature, createSecretKey(Buffer.alloc(32, 1)))).toBe(false);
    expect(v2(signature, privateKey)).toBe(false);
    expect(v1(rawSignature(block(DIGEST)), privateKey)).toBe(false);
  });

  it('is refused under a modulus that is even, without an error', () => {
    const key = publicKeyOf(modulusOfBits(2048) - 1n, 65537n);
    expect([v1(Buffer.alloc(LENGTH, 1), key), v2(Buffer.alloc(LENGTH, 1), key)]).toEqual([false, false]);
  });
});

describe('Under a key with the exponent 3, where cube roots need no private key', () => {
  const BYTES = 512;
  const key = publicKeyOf(modulusOfBits(BYTES * 8), 3n);
  const cube = (signature: Uint8Array) =>
    publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, signature);

  /** The signature whose block begins as it should, with garbage behind (Bleichenbacher, 2006). */
  function rootOfBeginning(content: Uint8Array): { signature: Buffer; beginning: Buffer } {
    const beginning = Buffer.concat([Buffer.of(0, 1), Buffer.alloc(8, 0xff), Buffer.of(0), content]);
    const padded = Buffer.concat([beginning, Buffer.alloc(BYTES - beginning.length)]);
    return { signature: toBytes(cubeRoot(toNumber(padded)), BYTES), beginning };
  }

  /** The signature whose block ends as it should, with garbage in place of the padding. */
  function rootOfEnd(end: Uint8Array): Buffer {
    return toBytes(cubeRootOfEnd(toNumber(end), BigInt(end.length * 8)), BYTES);
  }

  it.each([
    ['V1', v1, DIGEST],
    ['V2', v2, Buffer.concat([SHA512_INFO, HASH])],
  ])('%s refuses a root whose block begins with padding and digest', (_, verify, content) => {
    const { signature, beginning } = rootOfBeginning(content);
    expect(cube(signature).subarray(0, beginning.length)).toEqual(beginning);
    expect(verify(signature, key)).toBe(false);
  });

  it.each([['V1', 1] as const, ['V2', 2] as const])(
    '%s refuses a root whose block ends with the digest',
    (_, version) => {
      // Only odd numbers have such a root, so a message is taken whose digest ends in an odd byte.
      let message = MESSAGE;
      const end = () => {
        const hash = createHash('sha512').update(message);
        if (version === 1) return Buffer.concat([Buffer.of(0), Buffer.from(hash.digest('hex'))]);
        return Buffer.concat([Buffer.of(0), SHA512_INFO, hash.digest()]);
      };
      while (((end().at(-1) as number) & 1) === 0) message = Buffer.concat([message, Buffer.of(0x61)]);
      const signature = rootOfEnd(end());
      expect(cube(signature).subarray(-end().length)).toEqual(end());
      expect(verifySignature(version, key, message, signature)).toBe(false);
    },
  );

  it('refuses the root of a block that is a perfect cube', () => {
    const root = cubeRoot(toNumber(block(DIGEST, { length: BYTES })));
    expect(v1(toBytes(root, BYTES), key)).toBe(false);
    expect(v1(toBytes(root - 1n, BYTES), key)).toBe(false);
  });
});
