import { type ByteString } from '../protocol/byte-string.js';

/** Text with its percent escapes decoded; what is no escape stays. */
export function unescaped(text: ByteString): ByteString {
  return text.replace(/%([\dA-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** Text in which all characters that match are escaped. */
export function escaped(text: ByteString, characters: RegExp): ByteString {
  return text.replace(
    characters,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
