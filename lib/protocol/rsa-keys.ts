import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

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

// Header, anything between, footer of the same label; white space in it is put right below.
const BLOCK = /^-----BEGIN ((?:RSA )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----$/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}$/;
const LINE = /.{1,64}/g;
const IN_QUOTES = /^(["'])([^]*)\1$/;
/** What OpenSSL writes in front of a key that it takes out of a PKCS#12 file. */
const ATTRIBUTES = /^(?:Bag|Key) Attributes\b/;

/**
 * Reads a private key in every form in which environments hand one over: PKCS#1 or PKCS#8 PEM, with any line ends,
 * with literal `\n`, on one line with spaces or nothing between header, body and footer, behind "Bag Attributes", base64
 * of any of these, or base64 of the DER; each of them also in quotes.
 *
 * @returns undefined when the text is no key at all in any accepted form (it may be ciphertext)
 * @throws UnusableKeyError when it is a key, but malformed, encrypted with a passphrase, or not good enough
 */
export function readPrivateKey(text: string): KeyObject | undefined {
  const key = unwrapped(text);
  const pem = pemIn(key);
  if (pem !== undefined) return readPem(pem);
  if (!BASE64.test(key)) return undefined;
  const bytes = Buffer.from(key, 'base64');
  const der = readDer(bytes);
  if (der) return checkRsaKey(der);
  const decodedPem = pemIn(unwrapped(bytes.toString('latin1')));
  return decodedPem === undefined ? undefined : readPem(decodedPem);
}

/** The same checks for a key that is parsed already; throws UnusableKeyError. */
export function checkPrivateKey(key: KeyObject): KeyObject {
  if (key.type !== 'private') throw new UnusableKeyError('wrong_key_type', 'The key is not a private key.');
  return checkRsaKey(key);
}

/** Without what shells and files leave around a value, and with line ends where they are spelled out. */
function unwrapped(text: string): string {
  const trimmed = text.trim();
  const value = IN_QUOTES.exec(trimmed)?.[2] ?? trimmed;
  return value.replaceAll('\\r', '').replaceAll('\\n', '\n').trim();
}

function pemIn(text: string): string | undefined {
  if (text.startsWith('-----')) return text;
  const begin = text.indexOf('-----BEGIN');
  return begin > 0 && ATTRIBUTES.test(text) ? text.slice(begin) : undefined;
}

function readPem(pem: string): KeyObject {
  try {
    return checkRsaKey(createPrivateKey({ key: asBlock(pem), format: 'pem' }));
  } catch (error) {
    if (error instanceof UnusableKeyError) throw error;
    // OpenSSL's message would say nothing more, and could quote what it read.
    throw new UnusableKeyError('malformed_key', 'The private key cannot be read.');
  }
}

/** The key behind exactly these bytes; undefined where they are something else. */
function readDer(bytes: Buffer): KeyObject | undefined {
  // A sequence with a length of two bytes that covers all, as every key of an accepted size is. OpenSSL itself would
  // read past what follows it.
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0x3082 || bytes.readUInt16BE(2) !== bytes.length - 4) {
    return undefined;
  }
  for (const type of ['pkcs8', 'pkcs1'] as const) {
    try {
      return createPrivateKey({ key: bytes, format: 'der', type });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE') throw encrypted();
    }
  }
  return undefined;
}

function encrypted(): UnusableKeyError {
  return new UnusableKeyError(
    'wrong_key_type',
    'The private key is encrypted with a passphrase: decrypt it first.',
  );
}

/** The one accepted block, written with lines as OpenSSL wants them. */
function asBlock(pem: string): string {
  if (ENCRYPTED.test(pem)) throw encrypted();
  const block = BLOCK.exec(pem);
  const lines = block?.[2]?.replace(/\s+/g, '').match(LINE);
  if (!block || !lines) {
    throw new UnusableKeyError(
      'malformed_key',
      'The private key must be exactly one PEM block, "PRIVATE KEY" or "RSA PRIVATE KEY".',
    );
  }
  return [`-----BEGIN ${block[1]}-----`, ...lines, `-----END ${block[1]}-----`, ''].join('\n');
}
