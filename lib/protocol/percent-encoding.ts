import { type ByteString } from './byte-string.js';

// Characters are looked up in tables: a regular expression that calls back for each escape takes twice the time.
const HEX_DIGITS = new Int8Array(256).fill(-1);
for (const digit of '0123456789abcdefABCDEF') HEX_DIGITS[digit.charCodeAt(0)] = parseInt(digit, 16);

// RFC 3986, section 2.3.
const UNRESERVED = new Uint8Array(256);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~') {
  UNRESERVED[character.charCodeAt(0)] = 1;
}

const ENCODED = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

/** Decodes a part of a query: `+` is a space; an invalid escape stays as it is. */
export function decode(text: ByteString): ByteString {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  let decoded = '';
  let from = 0;
  for (let at = spaced.indexOf('%'); at >= 0; at = spaced.indexOf('%', at)) {
    const byte = escapedByte(spaced, at);
    if (byte === undefined) {
      at++;
    } else {
      decoded += spaced.slice(from, at) + String.fromCharCode(byte);
      from = at += 3;
    }
  }
  return from === 0 ? spaced : decoded + spaced.slice(from);
}

/** The byte that `%XX` at this place stands for; undefined when it is no escape. */
export function escapedByte(text: ByteString, at: number): number | undefined {
  // Behind the end there is no character (NaN), and no digit for it.
  const high = HEX_DIGITS[text.charCodeAt(at + 1)] ?? -1;
  const low = HEX_DIGITS[text.charCodeAt(at + 2)] ?? -1;
  return high < 0 || low < 0 ? undefined : high * 16 + low;
}

/** Unreserved bytes as they are; `encoded` says how others are written. */
export function encode(bytes: ByteString, encoded: (byte: ByteString) => string): ByteString {
  let text = '';
  let from = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (UNRESERVED[bytes.charCodeAt(at)] === 1) continue;
    text += bytes.slice(from, at) + encoded(bytes[at]);
    from = at + 1;
  }
  return from === 0 ? bytes : text + bytes.slice(from);
}

/** Upper-case `%XX`. */
export function encodeByte(byte: ByteString): string {
  return ENCODED[byte.charCodeAt(0)];
}
