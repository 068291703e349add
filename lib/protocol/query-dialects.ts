import { textOfBytes, type ByteString } from './byte-string.js';
import {
  byNameThenValue,
  canonicalQuery,
  compare,
  joinParameters,
  parameters,
  type QueryParameter,
} from './canonical-query.js';
import { encodeByte } from './percent-encoding.js';

/**
 * Other clients write some queries differently. The forms below are accepted when verifying a V2 request, because
 * none of them, nor the canonical form, ever gives two different lists of parameters one text. A form that loses
 * something is not here and must never be: two different requests would share a signature.
 */
const DIALECTS: readonly ((query: ByteString) => ByteString | undefined)[] = [
  keepAllPiecesAndSlashes,
  keepAllPieces,
  dropEmptyPiecesAndSortByUtf16,
];

/** Texts of the query that other clients sign, without the canonical one and without repetitions. */
export function dialectQueries(query: ByteString): ByteString[] {
  if (query === '') return [];
  const tried = new Set([canonicalQuery(query)]);
  const texts: ByteString[] = [];
  for (const dialect of DIALECTS) {
    const text = dialect(query);
    if (text === undefined || tried.has(text)) continue;
    tried.add(text);
    texts.push(text);
  }
  return texts;
}

/** Python: every empty piece is `=`, and `/` is not escaped. */
function keepAllPiecesAndSlashes(query: ByteString): ByteString {
  return joinParameters(parameters(query.split('&')).sort(byNameThenValue), encodeByteButSlash);
}

/** Rust: every empty piece is `=`. */
function keepAllPieces(query: ByteString): ByteString {
  return joinParameters(parameters(query.split('&')).sort(byNameThenValue), encodeByte);
}

/** Java: empty pieces do not count, and the order is that of UTF-16 units, which only text has. */
function dropEmptyPiecesAndSortByUtf16(query: ByteString): ByteString | undefined {
  const pieces = query.split('&').filter((piece) => piece !== '');
  const texts = parameters(pieces).map((parameter) => ({ parameter, name: '', value: '' }));
  for (const text of texts) {
    const { name, value } = decodedText(text.parameter);
    if (name === undefined || value === undefined) return undefined;
    text.name = name;
    text.value = value;
  }
  texts.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
  return joinParameters(
    texts.map(({ parameter }) => parameter),
    encodeByte,
  );
}

function decodedText({ name, value }: QueryParameter): { name?: string; value?: string } {
  return { name: textOfBytes(name), value: textOfBytes(value) };
}

function encodeByteButSlash(byte: ByteString): string {
  return byte === '/' ? byte : encodeByte(byte);
}
