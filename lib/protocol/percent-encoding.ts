// Characters are looked up in tables: a regular expression that calls back for each escape takes twice the time.
const HEX_DIGITS = new Int8Array(256).fill(-1);
for (const digit of '0123456789abcdefABCDEF') HEX_DIGITS[digit.charCodeAt(0)] = parseInt(digit, 16);

// RFC 3986, section 2.3.
/** 1 for each byte that stands for itself in encoded text. */
export const UNRESERVED = new Uint8Array(256);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~') {
  UNRESERVED[character.charCodeAt(0)] = 1;
}

const PERCENT = 0x25;
const DIGITS = Buffer.from('0123456789ABCDEF', 'latin1');
const FIRST_LOWER_CASE_DIGIT = 0x61;

/** The byte that a percent sign before these two characters stands for; -1 when it begins no escape. */
export function escapedByte(high: number, low: number): number {
  // Behind the end of a text there is no character (NaN), and no digit for it.
  const [first, second] = [HEX_DIGITS[high] ?? -1, HEX_DIGITS[low] ?? -1];
  return first < 0 || second < 0 ? -1 : first * 16 + second;
}

/** Whether a percent sign before these two characters is an escape as it is written here: needed, and in upper case. */
export function isEncodedByte(high: number, low: number): boolean {
  const byte = escapedByte(high, low);
  return byte >= 0 && UNRESERVED[byte] === 0 && high < FIRST_LOWER_CASE_DIGIT && low < FIRST_LOWER_CASE_DIGIT;
}

/** Writes an unreserved byte as it is, any other as upper-case `%XX`; returns the place behind it. */
export function writeEncoded(byte: number, into: Uint8Array, at: number): number {
  if (UNRESERVED[byte] === 1) {
    into[at] = byte;
    return at + 1;
  }
  into[at] = PERCENT;
  into[at + 1] = DIGITS[byte >> 4];
  into[at + 2] = DIGITS[byte & 15];
  return at + 3;
}
