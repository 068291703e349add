import { type KeyObject } from 'node:crypto';

/** Why a key cannot be used. */
export type UnusableKeyCode =
  /** Not exactly one key in an accepted form. */
  | 'malformed_key'
  /** A key, but of another kind: private instead of public, a certificate, EC, DSA, RSA-PSS, encrypted. */
  | 'wrong_key_type'
  /** RSA, but its modulus or exponent is out of bounds. */
  | 'weak_key';

/** A key that cannot be used. Neither message nor properties hold any part of it. */
export class UnusableKeyError extends Error {
  override readonly name = 'UnusableKeyError';

  constructor(
    readonly code: UnusableKeyCode,
    message: string,
  ) {
    super(message);
  }
}

const MIN_BITS = 2048;
const MAX_BITS = 8192; // A larger modulus would let one key burn a second of processor time for each request.
const MIN_EXPONENT = 65537n;
const MAX_EXPONENT = 2n ** 32n;

/** Checks that a key is RSA, of 2,048 to 8,192 bits, with an odd exponent from 65,537 to 2^32; throws UnusableKeyError. */
export function checkRsaKey(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'rsa')
    throw new UnusableKeyError('wrong_key_type', 'The key is not an RSA key.');
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_BITS || modulusLength > MAX_BITS) {
    throw new UnusableKeyError(
      'weak_key',
      `The key has ${modulusLength} bits; ${MIN_BITS} to ${MAX_BITS} are accepted.`,
    );
  }
  if (publicExponent < MIN_EXPONENT || publicExponent > MAX_EXPONENT || publicExponent % 2n === 0n) {
    throw new UnusableKeyError(
      'weak_key',
      'The public exponent of the key must be odd, and from 65537 to 2^32.',
    );
  }
  return key;
}
