import { isUtf8 } from 'node:buffer';

/**
 * Bytes as a string of one character per byte (U+0000 to U+00FF). That is how Node hands over a request target,
 * and strings of this kind compare, split and join as their bytes do, without a copy.
 */
export type ByteString = string;

const BEYOND_ASCII = /[^\0-\x7f]/;
const BEYOND_BYTES = /[^\0-\xff]/;

/** Text that is about to be signed: its UTF-8 bytes. */
export function bytesOfText(text: string | Uint8Array): ByteString {
  if (typeof text !== 'string') return latin1(text);
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/**
 * Text as it came off the wire through Node: one character is one byte. Text with a character beyond U+00FF was
 * decoded on its way, so its bytes are those of UTF-8.
 */
export function bytesOfWireText(text: string | Uint8Array): ByteString {
  if (typeof text !== 'string') return latin1(text);
  return BEYOND_BYTES.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** The bytes themselves. */
export function toBytes(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The text that the bytes are in UTF-8, if they are: replacement characters would let different bytes meet. */
export function textOfBytes(bytes: ByteString): string | undefined {
  if (!BEYOND_ASCII.test(bytes)) return bytes;
  const buffer = toBytes(bytes);
  return isUtf8(buffer) ? buffer.toString('utf8') : undefined;
}

function latin1(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
