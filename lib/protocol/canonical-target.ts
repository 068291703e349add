import { type ByteString } from './byte-string.js';
import { escapedByte, isEncodedByte, UNRESERVED, writeEncoded } from './percent-encoding.js';

const SLASHES = /\/{2,}/g;
// Only escapes that hold no upper-case letter are raised; `%cF` stays as it is in every client.
const LOWER_CASE_ESCAPE = /%[a-f0-9]{2}/g;

/** The path of a V2 string to sign: dot segments removed, then slashes squeezed, then percent escapes in upper case. */
export function normalizePath(path: ByteString): ByteString {
  const undotted = path.includes('/.') ? removeDotSegments(path) : path;
  const squeezed = undotted.includes('//') ? undotted.replace(SLASHES, '/') : undotted;
  return squeezed.includes('%')
    ? squeezed.replace(LOWER_CASE_ESCAPE, (escape) => escape.toUpperCase())
    : squeezed;
}

/** RFC 3986, section 5.2.4, for a path that starts with `/`; only literal dots count, `%2e` is no dot. */
function removeDotSegments(path: ByteString): ByteString {
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  const last = segments.pop();
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  if (last === '..') kept.pop();
  // A path that ends in a dot segment names a folder, so its slash stays.
  kept.push(last === '.' || last === '..' || last === undefined ? '' : last);
  return `/${kept.join('/')}`;
}

const SPACE = 0x20;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const EQUALS = 0x3d;

/**
 * Room to make the canonical form of a query in. The work is done on bytes: characters of a string cost two to four
 * times as much, one by one. Where nothing has to be changed, which is mostly so, nothing is written.
 */
class Room {
  /** The query, and two `&` behind it: each piece has an end, and looking for digits behind the last one finds none. */
  readonly query: Buffer;
  /** Its pieces rewritten, each with an `&` behind it. A byte takes three at most, an `&` two: one may lack its `=`. */
  readonly pieces: Buffer;
  /** The same in order. */
  readonly sorted: Buffer;

  constructor(readonly size: number) {
    this.query = Buffer.allocUnsafeSlow(size + 2);
    this.pieces = Buffer.allocUnsafeSlow(3 * size + 2);
    this.sorted = Buffer.allocUnsafeSlow(3 * size + 2);
  }
}

/** For queries as they usually are, so that no room has to be made for each. */
const USUAL = new Room(2048);

/**
 * The query of a V2 string to sign: pieces are split at `&`, and each at its first `=`; both sides are decoded, sorted
 * by their bytes, encoded again in exactly one way, and joined. Empty pieces at the end do not count.
 *
 * @param query without its `?`
 */
export function canonicalQuery(query: ByteString): ByteString {
  if (query === '') return query;
  const room = query.length <= USUAL.size ? USUAL : new Room(query.length);
  const { query: bytes, pieces } = room;
  let end = bytes.write(query, 'latin1');
  bytes[end] = bytes[end + 1] = AMPERSAND;
  if (isCanonical(bytes, end)) return query;
  while (end > 0 && bytes[end - 1] === AMPERSAND) end--;
  if (end === 0) return '';
  const places = writePieces(bytes, end, pieces);
  const written = places.pop() ?? 0;
  if (sort(places, pieces)) return pieces.toString('latin1', 0, written - 1);
  copyPieces(pieces, places, room.sorted);
  return room.sorted.toString('latin1', 0, written - 1);
}

/** Whether the query up to this end, and the `&` there, is its own canonical form. */
function isCanonical(bytes: Uint8Array, end: number): boolean {
  let before = -1;
  let start = 0;
  let hasValue = false;
  for (let at = 0; at <= end; at++) {
    const byte = bytes[at];
    if (UNRESERVED[byte] === 1) continue;
    if (byte === EQUALS && !hasValue) {
      hasValue = true;
    } else if (byte === PERCENT && isEncodedByte(bytes[at + 1], bytes[at + 2])) {
      at += 2;
    } else if (byte === AMPERSAND && hasValue && (before < 0 || compare(bytes, before, start) <= 0)) {
      before = start;
      start = at + 1;
      hasValue = false;
    } else return false;
  }
  return true;
}

/** Rewrites the pieces of the query up to this end, and the `&` there; returns where each begins, and all of them end. */
function writePieces(bytes: Uint8Array, end: number, into: Uint8Array): number[] {
  const starts = [0];
  let to = 0;
  let hasValue = false;
  for (let at = 0; at <= end; at++) {
    const byte = bytes[at];
    if (UNRESERVED[byte] === 1) {
      into[to++] = byte;
    } else if (byte === AMPERSAND) {
      if (!hasValue) into[to++] = EQUALS;
      into[to++] = AMPERSAND;
      starts.push(to);
      hasValue = false;
    } else if (byte === EQUALS && !hasValue) {
      into[to++] = EQUALS;
      hasValue = true;
    } else {
      const escaped = byte === PERCENT ? escapedByte(bytes[at + 1], bytes[at + 2]) : -1;
      to = writeEncoded(escaped >= 0 ? escaped : byte === PLUS ? SPACE : byte, into, to);
      if (escaped >= 0) at += 2;
    }
  }
  return starts;
}

const FEW = 32;

/** Sorts places where pieces begin; returns whether they were in order. */
function sort(places: number[], pieces: Uint8Array): boolean {
  let next = 1;
  while (next < places.length && compare(pieces, places[next - 1], places[next]) <= 0) next++;
  if (next >= places.length) return true;
  if (places.length > FEW) places.sort((a, b) => compare(pieces, a, b));
  else insert(places, next, pieces);
  return false;
}

/** Insertion sort: what the engine does before it begins to sort costs more than sorting a few. */
function insert(places: number[], first: number, pieces: Uint8Array): void {
  for (let next = first; next < places.length; next++) {
    const place = places[next];
    let to = next;
    for (; to > 0 && compare(pieces, places[to - 1], place) > 0; to--) places[to] = places[to - 1];
    places[to] = place;
  }
}

/** Compares rewritten pieces, each with an `&` behind it, in the order of decoded bytes: names first, then values. */
function compare(bytes: Uint8Array, a: number, b: number): number {
  // What is alike is alike decoded; and where two escapes differ in a digit, their bytes differ in the same way.
  while (bytes[a] === bytes[b] && bytes[a] !== AMPERSAND) {
    a++;
    b++;
  }
  return rank(bytes, a) - rank(bytes, b);
}

/** The decoded byte at a place; the end of a name or value comes before all of them. */
function rank(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === PERCENT) return escapedByte(bytes[at + 1], bytes[at + 2]);
  return byte === EQUALS || byte === AMPERSAND ? -1 : byte;
}

/** Copies pieces in the order of the places where they begin. */
function copyPieces(pieces: Uint8Array, places: readonly number[], into: Uint8Array): void {
  let to = 0;
  for (const place of places) {
    let from = place;
    do into[to++] = pieces[from];
    while (pieces[from++] !== AMPERSAND);
  }
}
