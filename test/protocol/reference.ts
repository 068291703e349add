/*
 * What requests mean, written down a second time, straight from the rules and sharing nothing with lib/: tests that
 * compare many requests need to know which of them are the same.
 */

/** RFC 3986, section 5.2.4, step by step. */
export function removeDotSegments(path: string): string {
  let input = path;
  let output = '';
  const dropLast = () => {
    output = output.slice(0, Math.max(output.lastIndexOf('/'), 0));
  };
  while (input !== '') {
    if (input.startsWith('../')) input = input.slice(3);
    else if (input.startsWith('./')) input = input.slice(2);
    else if (input.startsWith('/./')) input = input.slice(2);
    else if (input === '/.') input = '/';
    else if (input.startsWith('/../')) {
      input = input.slice(3);
      dropLast();
    } else if (input === '/..') {
      input = '/';
      dropLast();
    } else if (input === '.' || input === '..') input = '';
    else {
      const end = input.indexOf('/', 1);
      output += end < 0 ? input : input.slice(0, end);
      input = end < 0 ? '' : input.slice(end);
    }
  }
  return output;
}

/** The path as V2 signs it. */
export function normalizedPath(path: string): string {
  let squeezed = '';
  for (const character of removeDotSegments(path)) {
    if (character === '/' && squeezed.endsWith('/')) continue;
    squeezed += character;
  }
  return squeezed.replace(/%([a-f0-9][a-f0-9])/g, (escape) => escape.toUpperCase());
}

/** Bytes (one character each) behind escapes and plus signs. */
export function decoded(text: string): string {
  if (!/[+%]/.test(text)) return text;
  return text.replace(/\+|%([0-9a-fA-F][0-9a-fA-F])/g, (_, digits?: string) =>
    digits === undefined ? ' ' : String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** The parameters of a query, each as `name=value` on bytes, in any order; those without name and value left aside. */
export function parametersOf(query: string): string[] {
  const pairs: string[] = [];
  for (const piece of query.split('&')) {
    const equals = piece.indexOf('=');
    const name = equals < 0 ? piece : piece.slice(0, equals);
    const value = equals < 0 ? '' : piece.slice(equals + 1);
    // U+0100 is no byte, so it can stand between the two.
    if (name !== '' || value !== '') pairs.push(`${decoded(name)}\u0100${decoded(value)}`);
  }
  return pairs.sort();
}

/** Every byte but the unreserved ones as upper-case `%XX`. */
function encoded(bytes: string): string {
  return bytes.replace(/[^A-Za-z0-9\-_.~]/g, (byte) => {
    const hex = byte.charCodeAt(0).toString(16).toUpperCase();
    return `%${hex.padStart(2, '0')}`;
  });
}

type Pair = readonly [name: string, value: string];

/** Names and values of the pieces, decoded. */
function pairsOf(pieces: readonly string[]): Pair[] {
  return pieces.map((piece) => {
    const [name = '', ...rest] = piece.split('=');
    return [decoded(name), decoded(rest.join('='))];
  });
}

function joined(pairs: readonly Pair[]): string {
  return pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&');
}

/** By names, then by values, each read in a way that can be compared unit by unit. */
function sorted(pairs: readonly Pair[], read: (bytes: string) => string = (bytes) => bytes): Pair[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...pairs].sort(
    ([name, value], [otherName, otherValue]) =>
      order(read(name), read(otherName)) || order(read(value), read(otherValue)),
  );
}

/** The query as V2 signs it. */
export function canonicalQueryOf(query: string): string {
  const pieces = query.split('&');
  while (pieces.at(-1) === '') pieces.pop();
  return joined(sorted(pairsOf(pieces)));
}

/** The text that bytes are in UTF-8; throws where they are none. */
function textOf(bytes: string): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
}

/** The texts of other clients, in the order Python, Rust, Java; each once, and none that is the canonical one. */
export function dialectQueriesOf(query: string): string[] {
  if (query === '') return [];
  const all = joined(sorted(pairsOf(query.split('&'))));
  const texts = [all.replaceAll('%2F', '/'), all];
  try {
    const pairs = pairsOf(query.split('&').filter((piece) => piece !== ''));
    texts.push(joined(sorted(pairs, textOf)));
    for (const part of pairs.flat()) textOf(part);
  } catch {
    texts.length = 2; // Java signs text, and some of this is none.
  }
  const canonical = canonicalQueryOf(query);
  return [...new Set(texts)].filter((text) => text !== canonical);
}
