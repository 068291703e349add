import { type ByteString } from './byte-string.js';
import { decode, encode, encodeByte } from './percent-encoding.js';

/** One parameter of a query, decoded to bytes. */
export interface QueryParameter {
  readonly name: ByteString;
  readonly value: ByteString;
}

const TRAILING_EMPTY_PIECE = '&';

/** The query of a V2 string to sign; `query` is without its `?`. */
export function canonicalQuery(query: ByteString): ByteString {
  return query === '' ? '' : joinParameters(parameters(splitQuery(query)).sort(byNameThenValue), encodeByte);
}

/** Pieces of a query; empty ones at its end do not count, others do. */
function splitQuery(query: ByteString): ByteString[] {
  let end = query.length;
  while (end > 0 && query[end - 1] === TRAILING_EMPTY_PIECE) end--;
  return end === 0 ? [] : query.slice(0, end).split('&');
}

/** Splits each piece at its first `=` and decodes both sides. */
export function parameters(pieces: readonly ByteString[]): QueryParameter[] {
  return pieces.map((piece) => {
    const equals = piece.indexOf('=');
    if (equals < 0) return { name: decode(piece), value: '' };
    return { name: decode(piece.slice(0, equals)), value: decode(piece.slice(equals + 1)) };
  });
}

/** Order of decoded bytes: names first, then values. */
export function byNameThenValue(a: QueryParameter, b: QueryParameter): number {
  return compare(a.name, b.name) || compare(a.value, b.value);
}

/** `name=value` pairs, joined with `&`; `encoded` says how a byte that is not unreserved is written. */
export function joinParameters(
  sorted: readonly QueryParameter[],
  encoded: (byte: ByteString) => string,
): ByteString {
  return sorted.map(({ name, value }) => `${encode(name, encoded)}=${encode(value, encoded)}`).join('&');
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
