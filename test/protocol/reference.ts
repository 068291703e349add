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
