import { createPrivateKey, type KeyObject } from 'node:crypto';
import { checkRsaKey, UnusableKeyError } from './rsa-key.js';

// Header, anything between, footer of the same label; white space in it is put right below.
const BLOCK = /^-----BEGIN ((?:RSA )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----$/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}$/;
const LINE = /.{1,64}/g;

/**
 * Reads a private key in every form in which environments hand one over: PKCS#1 or PKCS#8 PEM, with any line ends,
 * with literal `\n`, on one line with spaces or nothing between header, body and footer, or base64 of any of these.
 *
 * @returns undefined when the text is no key at all in any accepted form (it may be ciphertext)
 * @throws UnusableKeyError when it is a key, but malformed, encrypted with a passphrase, or not good enough
 */
export function readPrivateKey(text: string): KeyObject | undefined {
  const trimmed = text.trim();
  const pem = trimmed.startsWith('-----') ? trimmed : decodedPem(trimmed);
  if (pem === undefined) return undefined;
  return checkRsaKey(parse(asBlock(pem.replaceAll('\\r', '').replaceAll('\\n', '\n').trim())));
}

/** The same checks for a key that is parsed already; throws UnusableKeyError. */
export function checkPrivateKey(key: KeyObject): KeyObject {
  if (key.type !== 'private') throw new UnusableKeyError('wrong_key_type', 'The key is not a private key.');
  return checkRsaKey(key);
}

function decodedPem(text: string): string | undefined {
  if (!BASE64.test(text)) return undefined;
  const decoded = Buffer.from(text, 'base64').toString('latin1').trim();
  return decoded.startsWith('-----') ? decoded : undefined;
}

/** The one accepted block, written with lines as OpenSSL wants them. */
function asBlock(pem: string): string {
  if (ENCRYPTED.test(pem)) {
    throw new UnusableKeyError(
      'wrong_key_type',
      'The private key is encrypted with a passphrase: decrypt it first.',
    );
  }
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

function parse(pem: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // OpenSSL's message would say nothing more, and could quote what it read.
    throw new UnusableKeyError('malformed_key', 'The private key cannot be read.');
  }
}
