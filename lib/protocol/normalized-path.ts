import { type ByteString } from './byte-string.js';

const SLASHES = /\/{2,}/g;
// Only escapes that hold no upper-case letter are raised; `%cF` stays as it is in every client.
const LOWER_CASE_ESCAPE = /%[a-f0-9]{2}/g;

/** The path of a V2 string to sign: dot segments removed, then slashes squeezed, then percent escapes in upper case. */
export function normalizePath(path: ByteString): ByteString {
  const undotted = removeDotSegments(path);
  const squeezed = undotted.includes('//') ? undotted.replace(SLASHES, '/') : undotted;
  return squeezed.includes('%')
    ? squeezed.replace(LOWER_CASE_ESCAPE, (escape) => escape.toUpperCase())
    : squeezed;
}

/** RFC 3986, section 5.2.4, for a path that starts with `/`; only literal dots count, `%2e` is no dot. */
function removeDotSegments(path: ByteString): ByteString {
  if (!path.includes('/.')) return path;
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
