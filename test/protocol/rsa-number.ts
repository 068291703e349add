import { createPublicKey, type KeyObject } from 'node:crypto';

/** The number that bytes stand for, most significant byte first. */
export function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}

/** A number as bytes, most significant byte first, filled up to a length. */
export function toBytes(number: bigint, length: number): Buffer {
  return Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
}

export function modulusOf(key: KeyObject): bigint {
  return toNumber(Buffer.from(key.export({ format: 'jwk' }).n as string, 'base64url'));
}

/** A public key of given numbers; nobody knows its private key, if it has one. */
export function publicKeyOf(modulus: bigint, exponent: bigint): KeyObject {
  const base64url = (number: bigint) =>
    toBytes(number, Math.ceil(number.toString(16).length / 2)).toString('base64url');
  return createPublicKey({
    key: { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) },
    format: 'jwk',
  });
}

/** An odd modulus of exactly so many bits. */
export function modulusOfBits(bits: number): bigint {
  return (1n << BigInt(bits)) - 105n;
}

/** The least number whose cube is not less than `number`. */
export function cubeRoot(number: bigint): bigint {
  let low = 0n;
  let high = 1n << BigInt(Math.ceil(number.toString(2).length / 3) + 1);
  while (low < high) {
    const middle = (low + high) >> 1n;
    if (middle ** 3n < number) low = middle + 1n;
    else high = middle;
  }
  return low;
}

/** The number whose cube ends in the bits of an odd number. */
export function cubeRootOfEnd(number: bigint, bits: bigint): bigint {
  let root = 1n;
  for (let bit = 1n; bit < bits; bit++) {
    const wrong = (((root ** 3n - number) >> bit) & 1n) === 1n;
    if (wrong) root |= 1n << bit;
  }
  return root;
}
