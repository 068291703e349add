import { type ByteString } from './byte-string.js';
import { canonicalQuery } from './canonical-target.js';

/*
 * Other clients write some queries differently. The forms below are accepted when verifying a V2 request, because none
 * of them, nor the canonical form, ever gives two different lists of parameters one text. A form that loses something
 * is not here and must never be: two different requests would share a signature.
 *
 * Each is made of the canonical form, since most queries have nothing that it writes differently.
 */

/**
 * Texts of the query that other clients sign, without the canonical one and without repetitions.
 *
 * @param canonical `canonicalQuery(query)`
 */
export function dialectQueries(query: ByteString, canonical: ByteString): ByteString[] {
  if (query === '') return [];
  const all = keepAllPieces(query, canonical);
  const texts = new Set([keepSlashes(all), all, dropEmptyPiecesAndSortByUtf16(query, canonical)]);
  texts.delete(canonical);
  return [...texts];
}

/** Python and Rust: empty pieces at the end are `=`, too, and nothing comes before that in their order. */
function keepAllPieces(query: ByteString, canonical: ByteString): ByteString {
  const atEnd = query.length - withoutEmptyEnd(query).length;
  return canonical === '' ? `=${'&='.repeat(atEnd)}` : '=&'.repeat(atEnd) + canonical;
}

/** Python: `/` is not escaped. */
function keepSlashes(text: ByteString): ByteString {
  return text.includes('%2F') ? text.replaceAll('%2F', '/') : text;
}

const BEYOND_ASCII = /%[89A-F]/;
// UTF-16 has another order than UTF-8 only where a character beyond U+FFFF meets one from U+E000 to U+FFFF.
const BEYOND_U_FFFF = /%F/;
const FROM_U_E000 = /%E[EF]/;

/**
 * Java: empty pieces do not count, and the order is that of UTF-16 units, which only text has.
 *
 * @returns the canonical form where there is no such text
 */
function dropEmptyPiecesAndSortByUtf16(query: ByteString, canonical: ByteString): ByteString {
  const empty = emptyPieces(query);
  if (!BEYOND_ASCII.test(canonical)) return canonical.slice(empty * '=&'.length);
  if (empty === 0 && !(BEYOND_U_FFFF.test(canonical) && FROM_U_E000.test(canonical))) return canonical;
  const pieces = query.split('&').filter((piece) => piece !== '');
  try {
    return pieces
      .map((piece) => new TextPair(canonicalQuery(piece)))
      .sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
      .map(({ piece }) => piece)
      .join('&');
  } catch {
    return canonical; // The bytes of some name or value are no UTF-8.
  }
}

/** Empty pieces that are not at the end. */
function emptyPieces(query: ByteString): number {
  if (!query.startsWith('&') && !query.includes('&&')) return 0;
  return withoutEmptyEnd(query)
    .split('&')
    .filter((piece) => piece === '').length;
}

/** Without the empty pieces at its end. */
function withoutEmptyEnd(query: ByteString): ByteString {
  let end = query.length;
  while (query[end - 1] === '&') end--;
  return query.slice(0, end);
}

/** A canonical piece with its name and value as text. */
class TextPair {
  readonly name: string;
  readonly value: string;

  /** @throws URIError when they are no UTF-8 */
  constructor(readonly piece: ByteString) {
    const equals = piece.indexOf('=');
    this.name = decodeURIComponent(piece.slice(0, equals));
    this.value = decodeURIComponent(piece.slice(equals + 1));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
