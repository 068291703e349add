import {
  constants,
  privateEncrypt,
  publicEncrypt,
  sign as signBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { type MAuthVersion } from './headers.js';
import { sha512, sha512Hex } from './string-to-sign.js';

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
function verifyV2(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  const signed = digestSignedV2(publicKey, signature);
  return signed !== undefined && timingSafeEqual(signed, sha512(message));
}

// What stands before a SHA-512 in its DigestInfo (RFC 8017, section 9.2, note 1).
const DIGEST_INFO = Buffer.from('3051300d060960864801650304020305000440', 'hex');
const DIGEST_BYTES = 64;

/**
 * The SHA-512 over which the key's owner has made this signature, RSASSA-PKCS1-v1_5. The signature is one over a
 * message when this is the message's SHA-512: so several texts can be tried at the cost of hashing them, and a
 * signature that is none of the owner's costs one RSA operation, before any text is made.
 *
 * All of the block but the digest itself is compared with the only one that there can be, as below for V1.
 *
 * @returns undefined when the signature is none of the key's owner over anything
 */
export function digestSignedV2(publicKey: KeyObject, signature: Uint8Array): Buffer | undefined {
  const opening = shapeOf(publicKey)?.openingV2;
  const block = opening && openedBlock(publicKey, signature);
  if (!block || !timingSafeEqual(block.subarray(0, opening.length), opening)) return undefined;
  return block.subarray(opening.length);
}

/**
 * V1: the block holds the hexadecimal digest, without DigestInfo. The whole block that the signer must have encrypted
 * is built and compared in constant time with the one that was: nothing of the sender's is parsed, so no padding, type
 * byte or trailing byte can be other than it should be.
 */
export function verifyV1Digest(publicKey: KeyObject, digest: string, signature: Uint8Array): boolean {
  const content = Buffer.from(digest, 'latin1');
  const opening = openingBefore(content.length, shapeOf(publicKey)?.bytes);
  const block = opening && openedBlock(publicKey, signature);
  return block ? timingSafeEqual(block, Buffer.concat([opening, content])) : false;
}

/**
 * Whether the owner of the key made the signature, over any text: the block that it opens to is one of type 1 to
 * the last byte of its padding. A signature of another key opens to one about once in 2^80 times.
 */
export function isMadeByOwner(publicKey: KeyObject, signature: Uint8Array): boolean {
  const block = openedBlock(publicKey, signature);
  return block !== undefined && contentOfBlock(block) !== undefined;
}

/** What is in a block of type 1: 00 01, eight bytes FF or more, 00, content (RFC 8017, section 9.2). */
export function contentOfBlock(block: Buffer): Buffer | undefined {
  if (block[0] !== 0 || block[1] !== 1) return undefined;
  let at = 2;
  while (block[at] === 0xff) at++;
  return at >= 10 && block[at] === 0 ? block.subarray(at + 1) : undefined;
}

/** The block that the signature is made of; undefined when it is none of this key. */
export function openedBlock(publicKey: KeyObject, signature: Uint8Array): Buffer | undefined {
  if (signature.length !== shapeOf(publicKey)?.bytes) return undefined;
  try {
    return publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, signature);
  } catch {
    return undefined; // The signature, read as a number, is not below the modulus.
  }
}

// 00 01, eight bytes FF or more, 00 (RFC 8017, section 9.2). A key that is too short for that could sign nothing.
const LEAST_PADDING = 11;

/** What stands before the content of a block of type 1; undefined where there is no room for its padding. */
function openingBefore(contentBytes: number, blockBytes = 0): Buffer | undefined {
  const bytes = blockBytes - contentBytes;
  if (bytes < LEAST_PADDING) return undefined;
  const opening = Buffer.alloc(bytes, 0xff);
  opening[0] = 0;
  opening[1] = 1;
  opening[bytes - 1] = 0;
  return opening;
}

/** What blocks of a key look like. */
class BlockShape {
  /** As many as the modulus has, and as a signature has to have. */
  readonly bytes: number;
  /** All that stands before the digest in the block of a V2 signature; undefined for keys that can make none. */
  readonly openingV2: Buffer | undefined;

  constructor(key: KeyObject) {
    this.bytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
    const opening = openingBefore(DIGEST_INFO.length + DIGEST_BYTES, this.bytes);
    this.openingV2 = opening && Buffer.concat([opening, DIGEST_INFO]);
  }
}

const shapes = new WeakMap<KeyObject, BlockShape>();

/**
 * Undefined for other keys than public RSA ones, which have no business here. `asymmetricKeyDetails` asks OpenSSL each
 * time, so the answer is kept for as long as the key.
 */
function shapeOf(key: KeyObject): BlockShape | undefined {
  const known = shapes.get(key);
  if (known) return known;
  if (key.type !== 'public' || key.asymmetricKeyType !== 'rsa') return undefined;
  const shape = new BlockShape(key);
  shapes.set(key, shape);
  return shape;
}
