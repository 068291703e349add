import {
  constants,
  privateEncrypt,
  publicEncrypt,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { sha512Hex, type MAuthVersion } from './string-to-sign.js';

const signOnThreadPool = promisify<string, Uint8Array, KeyObject, Buffer>(signBytes);

/** V2 signature over a string to sign; the RSA operation runs on the thread pool. */
export function signV2(privateKey: KeyObject, message: Uint8Array): Promise<Buffer> {
  return signOnThreadPool('sha512', message, privateKey);
}

/** V1 signature over the hexadecimal SHA-512 of a string to sign: PKCS#1 type 1 padding, without DigestInfo. */
export function signV1Digest(privateKey: KeyObject, digest: string): Buffer {
  return privateEncrypt(
    { key: privateKey, padding: constants.RSA_PKCS1_PADDING },
    Buffer.from(digest, 'latin1'),
  );
}

/**
 * Whether `signature` is one of the key's owner over `message`.
 *
 * @param version of the protocol
 * @param publicKey an RSA public key
 * @param message the string to sign, bytes
 * @param signature decoded bytes, as long as the key's modulus
 * @returns false for anything that is not such a signature; never throws for what came from outside
 *
 * @example
 * verifySignature(2, publicKey, stringToSign(2, request), Buffer.from(base64, 'base64'));
 */
export function verifySignature(
  version: MAuthVersion,
  publicKey: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return version === 1
    ? verifyV1Digest(publicKey, sha512Hex(message), signature)
    : verifyV2(publicKey, message, signature);
}

/** RSASSA-PKCS1-v1_5 with SHA-512. */
export function verifyV2(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  if (!fits(publicKey, signature)) return false;
  try {
    return verifyBytes('sha512', message, publicKey, signature);
  } catch {
    return false;
  }
}

// 00 01, eight bytes FF or more, 00 (RFC 8017, section 9.2). A key that is too short for that could sign nothing.
const LEAST_PADDING = 11;

/**
 * Builds the whole block that the signer must have encrypted and compares all of it: nothing of the sender's is
 * parsed, so no padding, type byte or trailing byte can be other than it should be.
 */
export function verifyV1Digest(publicKey: KeyObject, digest: string, signature: Uint8Array): boolean {
  const start = signature.length - digest.length;
  if (!fits(publicKey, signature) || start < LEAST_PADDING) return false;
  const expected = Buffer.alloc(signature.length, 0xff);
  expected[0] = 0;
  expected[1] = 1;
  expected[start - 1] = 0;
  expected.write(digest, start, 'latin1');
  try {
    return timingSafeEqual(
      publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, signature),
      expected,
    );
  } catch {
    return false; // The signature, read as a number, is not below the modulus.
  }
}

/** A signature is as long as the modulus of the key; other keys than RSA have no business here. */
function fits(publicKey: KeyObject, signature: Uint8Array): boolean {
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'rsa') return false;
  return signature.length === modulusBytes(publicKey);
}

const lengths = new WeakMap<KeyObject, number>();

/** `asymmetricKeyDetails` asks OpenSSL each time, so the answer is kept for as long as the key. */
function modulusBytes(key: KeyObject): number {
  let length = lengths.get(key);
  if (length === undefined) {
    length = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
    lengths.set(key, length);
  }
  return length;
}
