import { createPublicKey, type KeyObject } from 'node:crypto';
import { checkRsaKey, UnusableKeyError } from './rsa-key.js';

const MAX_LENGTH = 16_384;
// One block from the first character on, lines in between, and only white space after it.
const ONE_BLOCK = /^-----BEGIN ((?:RSA )?PUBLIC KEY)-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END \1-----\s*$/;

/**
 * Reads a public key as the MAuth service hands it out: one PEM block, SPKI (`PUBLIC KEY`) or PKCS#1
 * (`RSA PUBLIC KEY`). The label is checked first, because `createPublicKey` also takes private keys and certificates.
 *
 * @throws UnusableKeyError with code `malformed_key`, `wrong_key_type` or `weak_key`
 *
 * @example
 * const key = readPublicKey('-----BEGIN PUBLIC KEY-----\nMIIB…\n-----END PUBLIC KEY-----\n');
 */
export function readPublicKey(pem: string): KeyObject {
  const block = typeof pem === 'string' && pem.length <= MAX_LENGTH ? ONE_BLOCK.exec(pem) : null;
  if (!block) {
    throw new UnusableKeyError(
      'malformed_key',
      'The public key must be exactly one PEM block, "PUBLIC KEY" or "RSA PUBLIC KEY".',
    );
  }
  return checkRsaKey(parse(pem));
}

/** The same checks for a key that is parsed already; throws UnusableKeyError. */
export function checkPublicKey(key: KeyObject): KeyObject {
  if (key.type !== 'public') throw new UnusableKeyError('wrong_key_type', 'The key is not a public key.');
  return checkRsaKey(key);
}

function parse(pem: string): KeyObject {
  try {
    return createPublicKey({ key: pem, format: 'pem' });
  } catch {
    // OpenSSL's message would say nothing more, and could quote what it read.
    throw new UnusableKeyError('malformed_key', 'The public key cannot be read.');
  }
}
