import { bytesOfText, type ByteString } from '../protocol/byte-string.js';
import { canonicalQuery } from '../protocol/canonical-target.js';
import { type ExplainCause } from './causes.js';
import { escaped, unescaped } from './percent-text.js';
import { shortestFirst, type Variant } from './variants.js';

const MOST_PARAMETERS = 24;

/** How a client makes the query of a V2 string to sign. */
interface Dialect {
  readonly decode: (text: ByteString) => ByteString;
  readonly encode: (text: ByteString) => ByteString;
  /** The value behind the first `=`. */
  readonly value: (text: ByteString) => ByteString;
  readonly order: (a: Pair, b: Pair) => number;
}

interface Pair {
  readonly name: ByteString;
  readonly value: ByteString;
  readonly raw: ByteString;
}

const formDecoded = (text: ByteString): ByteString => unescaped(text.replaceAll('+', ' '));
const encodedBut = (others: RegExp) => (text: ByteString) => escaped(text, others);
const canonical = encodedBut(/[^A-Za-z0-9\-_.~]/g);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const RIGHT: Dialect = {
  decode: formDecoded,
  encode: canonical,
  value: (text) => text,
  order: (a, b) => compare(a.name, b.name) || compare(a.value, b.value),
};

/** Departures from it, likely ones first. */
const DEPARTURES: readonly (readonly [code: ExplainCause, Partial<Dialect>])[] = [
  ['query_order', { order: () => 0 }],
  ['query_space_as_plus', { encode: (text) => canonical(text).replaceAll('%20', '+') }],
  ['query_plus_not_space', { decode: unescaped }],
  ['query_escaped_twice', { decode: (text) => text }],
  ['query_text_after_equals_dropped', { value: (text) => text.split('=')[0] }],
  ['query_plus_as_space', { decode: (text) => formDecoded(text).replaceAll('+', ' ') }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~!'()*]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~!'()*:@/?,;$]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~/]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~:]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~,]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~*]/g) }],
  ['query_reserved_not_escaped', { encode: encodedBut(/[^A-Za-z0-9\-_.~[\]]/g) }],
  ['query_decoded', { encode: (text) => text }],
  ['query_order', { order: (a, b) => compare(a.raw, b.raw) }],
];

/**
 * Texts of the query that may have been signed for one that was received.
 *
 * @param received raw, without `?`
 * @param others queries that the sender may have sent instead
 * @param until milliseconds since 1970: what has not been made by then is left out
 */
export function queryVariants(received: ByteString, others: readonly string[], until: number): Variant[] {
  const variants: Variant[] = [{ value: canonicalQuery(received), causes: [] }];
  const given = others.map((other) => bytesOfText(other.replace(/^\?/, '')));
  for (const query of given) {
    const causes = parameterCauses(canonicalQuery(received), canonicalQuery(query));
    variants.push(...prefixed(causes, writings(query, until)));
  }
  if (received === '') return shortestFirst(variants);
  variants.push({ value: '', causes: ['query_left_out'] });
  variants.push(...writings(received, until));
  const mark = received.indexOf('?');
  if (mark > 0) {
    variants.push(
      ...prefixed(['query_text_after_question_mark_dropped'], writings(received.slice(0, mark), until)),
    );
  }
  const pieces = received.split('&');
  if (pieces.length > 1 && pieces.length <= MOST_PARAMETERS) {
    for (const rest of leavingOut(pieces)) {
      variants.push(...prefixed(['query_parameter_added'], writings(rest, until).slice(0, 20)));
    }
  }
  return shortestFirst(variants);
}

function prefixed(first: readonly ExplainCause[], variants: readonly Variant[]): Variant[] {
  return variants.map(({ value, causes }) => ({ value, causes: [...first, ...causes] }));
}

/** What became of parameters on their way from one canonical query to another; nothing where only their order did. */
export function parameterCauses(received: ByteString, signed: ByteString): ExplainCause[] {
  const [mine, theirs] = [new Set(received.split('&')), new Set(signed.split('&'))];
  const causes: ExplainCause[] = [];
  if ([...mine].some((piece) => !theirs.has(piece))) causes.push('query_parameter_added');
  if ([...theirs].some((piece) => !mine.has(piece))) causes.push('query_parameter_removed');
  return causes;
}

/** The query without one piece, and without two. */
function leavingOut(pieces: readonly string[]): string[] {
  const rests = pieces.map((_, out) => pieces.filter((__, at) => at !== out));
  const twice = pieces.length > 2 && pieces.length <= 8 ? rests.flatMap((rest, out) => less(rest, out)) : [];
  return [...rests, ...twice].map((rest) => rest.join('&'));
}

const less = (pieces: readonly string[], from: number): string[][] =>
  pieces.slice(from).map((_, out) => pieces.filter((__, at) => at !== from + out));

/** One query as clients write it, with up to three departures. */
function writings(query: ByteString, until: number): Variant[] {
  const pairs = query.split('&').map(split);
  const variants: Variant[] = [
    { value: canonicalQuery(query), causes: [] },
    { value: query, causes: ['query_not_canonical'] },
  ];
  const extend = (from: number, dialect: Partial<Dialect>, causes: readonly ExplainCause[]): void => {
    if (causes.length > 0) variants.push({ value: write(pairs, { ...RIGHT, ...dialect }), causes });
    if (causes.length === 3 || Date.now() > until) return;
    for (let at = from; at < DEPARTURES.length; at++) {
      const [code, departure] = DEPARTURES[at];
      // Two departures of the same step would be one.
      if (Object.keys(departure).some((step) => step in dialect)) continue;
      extend(at + 1, { ...dialect, ...departure }, [...causes, code]);
    }
  };
  extend(0, {}, []);
  return shortestFirst(variants);
}

function split(piece: ByteString): Pair {
  const equals = piece.indexOf('=');
  const [name, value] = equals < 0 ? [piece, ''] : [piece.slice(0, equals), piece.slice(equals + 1)];
  return { name, value, raw: piece };
}

function write(pairs: readonly Pair[], { decode, encode, value, order }: Dialect): ByteString {
  return pairs
    .map((pair) => ({ name: decode(pair.name), value: decode(value(pair.value)), raw: pair.raw }))
    .sort(order)
    .map((pair) => `${encode(pair.name)}=${encode(pair.value)}`)
    .join('&');
}
