import { bytesOfText, type ByteString } from '../protocol/byte-string.js';
import { normalizePath } from '../protocol/canonical-target.js';
import { escaped, unescaped } from './percent-text.js';
import { shortestFirst, variantsOf, type Change, type Variant } from './variants.js';

/** What may have been in front of the path, where nothing tells. */
const USUAL_PREFIXES = ['/api', '/v1', '/api/v1'];
const MOST_SEGMENTS = 6;

/** What else is known about the way of a request. */
export interface PathHints {
  readonly prefixes: readonly string[];
  readonly hosts: readonly string[];
  /** Raw, without `?`. */
  readonly query: ByteString;
}

/**
 * Paths that may have been signed for one that was received.
 *
 * @param version 1: paths are signed raw; 2: normalized
 * @param until milliseconds since 1970: what has not been made by then is left out
 */
export function pathVariants(
  received: ByteString,
  version: 1 | 2,
  hints: PathHints,
  until: number,
): Variant[] {
  const raw = variantsOf(received, [...rewritings(received, hints)], 2, String, until);
  const variants = version === 1 ? raw : raw.flatMap(normalizations);
  const whole = variants
    .slice(0, 12)
    .flatMap(({ value, causes }): Variant[] =>
      absolute(value, hints.hosts).map((url) => ({ value: url, causes: [...causes, 'absolute_url'] })),
    );
  const all = [...variants, ...whole];
  if (hints.query === '') return shortestFirst(all);
  const withQuery = [...variants.slice(0, 12), ...whole].map(({ value, causes }): Variant => ({
    value: `${value}?${hints.query}`,
    causes: [...causes, 'path_with_query'],
  }));
  return shortestFirst([...all, ...withQuery]);
}

function* rewritings(received: ByteString, { prefixes }: PathHints): Generator<Change> {
  const given = prefixes.map(asPrefix);
  for (const prefix of given) {
    yield { code: 'path_prefix_removed', apply: (path) => prefix + path };
    yield {
      code: 'path_prefix_added',
      apply: (path) => behindPrefix(path, prefix),
    };
  }
  yield { code: 'path_trailing_slash', apply: toggleSlash };
  yield { code: 'path_decoded', apply: unescaped };
  yield { code: 'path_encoded_twice', apply: (path) => path.replaceAll('%', '%25') };
  yield { code: 'path_encoded_twice', apply: (path) => escaped(path, /[^A-Za-z0-9\-._~/%]/g) };
  yield { code: 'path_parameters_dropped', apply: withoutParameters };
  let rest = received;
  for (let count = 0; count < MOST_SEGMENTS; count++) {
    const slash = rest.indexOf('/', 1);
    if (slash < 0) break;
    rest = rest.slice(slash);
    const behind = rest;
    yield { code: 'path_prefix_added', apply: (path) => (path === received ? behind : undefined) };
  }
  for (const prefix of USUAL_PREFIXES) yield { code: 'path_prefix_removed', apply: (path) => prefix + path };
}

/** With a slash in front and none at the end. */
function asPrefix(hint: string): ByteString {
  const segments = bytesOfText(hint)
    .split('/')
    .filter((segment) => segment !== '');
  return segments.map((segment) => `/${segment}`).join('');
}

function behindPrefix(path: ByteString, prefix: string): ByteString | undefined {
  if (path === prefix) return '/';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
}

/** Without what stands behind the first semicolon of the last segment. */
function withoutParameters(path: ByteString): ByteString {
  const semicolon = path.indexOf(';', path.lastIndexOf('/'));
  return semicolon < 0 ? path : path.slice(0, semicolon);
}

function toggleSlash(path: ByteString): ByteString {
  return path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
}

function normalizations({ value, causes }: Variant): Variant[] {
  const right = normalizePath(value);
  const squeezedFirst = normalizePath(value.replace(/\/{2,}/g, '/'));
  const variants: Variant[] = [{ value: right, causes }];
  if (squeezedFirst !== right) {
    variants.push({ value: squeezedFirst, causes: [...causes, 'path_slashes_before_dots'] });
  }
  // Each of the three steps of normalization may have been left out.
  const escapes = value.replace(/%[a-f0-9]{2}/g, (escape) => escape.toUpperCase());
  const partly = new Set([value, escapes, value.replace(/\/{2,}/g, '/'), escapes.replace(/\/{2,}/g, '/')]);
  for (const path of partly) {
    if (path !== right && path !== squeezedFirst) {
      variants.push({ value: path, causes: [...causes, 'path_not_normalized'] });
    }
  }
  return variants;
}

function absolute(path: ByteString, hosts: readonly string[]): string[] {
  return hosts.flatMap((host) => {
    const urls = ['https', 'http'].map((scheme) => `${scheme}://${bytesOfText(host)}${path}`);
    return [...urls, ...urls.map((url) => url.replace(/\/{2,}/g, '/'))];
  });
}
