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
  let result = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    const digits = text.slice(index + 1, index + 3);
    if (character === '+') result += ' ';
    else if (character === '%' && /^[0-9a-fA-F][0-9a-fA-F]$/.test(digits)) {
      result += String.fromCharCode(Number.parseInt(digits, 16));
      index += 2;
    } else result += character;
  }
  return result;
}

/** The parameters of a query, each as `name` and `value`, in any order; those without name and value left aside. */
export function parametersOf(query: string): string[] {
  return query
    .split('&')
    .map((piece) => {
      const [name, ...values] = piece.split('=') as [string, ...string[]];
      return JSON.stringify([decoded(name), decoded(values.join('='))]);
    })
    .filter((pair) => pair !== '["",""]')
    .sort();
}
