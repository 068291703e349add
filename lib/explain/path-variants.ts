import { bytesOfText, type ByteString } from '../protocol/byte-string.js';
import { normalizePath } from '../protocol/canonical-target.js';
import { variantsOf, type Change, type Variant } from './variants.js';

/** What may have been in front of the path, where nothing tells. */
const USUAL_PREFIXES = ['/api', '/v1', '/api/v1'];
const MOST_SEGMENTS = 6;
const MOST_HINTS = 20;

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
  const given = prefixes.slice(0, MOST_HINTS).map((prefix) => bytesOfText(withSlash(prefix)));
  for (const prefix of given) {
    yield { code: 'path_prefix_removed', apply: (path) => prefix + path };
    yield {
      code: 'path_prefix_added',
      apply: (path) => (path.startsWith(prefix) ? withSlash(path.slice(prefix.length)) : undefined),
    };
  }
  yield { code: 'path_trailing_slash', apply: toggleSlash };
  yield { code: 'path_decoded', apply: decoded };
  yield { code: 'path_encoded_twice', apply: (path) => path.replaceAll('%', '%25') };
  yield { code: 'path_encoded_twice', apply: encoded };
  yield { code: 'path_parameters_dropped', apply: (path) => path.replace(/;[^/]*$/, '') };
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

function withSlash(path: string): string {
  return path.startsWith('/') ? path.replace(/\/+$/, '') || '/' : withSlash(`/${path}`);
}

function toggleSlash(path: ByteString): ByteString {
  return path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
}

function decoded(path: ByteString): ByteString {
  return path.replace(/%([\dA-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** What is not allowed to stand in a path is escaped. */
function encoded(path: ByteString): ByteString {
  return path.replace(
    /[^A-Za-z0-9\-._~/%]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
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
  return hosts.slice(0, MOST_HINTS).flatMap((host) => {
    const urls = ['https', 'http'].map((scheme) => `${scheme}://${bytesOfText(host)}${path}`);
    return [...urls, ...urls.map((url) => url.replace(/\/{2,}/g, '/'))];
  });
}

/** One variant for each value, the one with the fewest causes; few causes first, otherwise in order. */
export function shortestFirst(variants: readonly Variant[]): Variant[] {
  const best = new Map<string, Variant>();
  for (const variant of [...variants].sort((a, b) => a.causes.length - b.causes.length)) {
    if (!best.has(variant.value)) best.set(variant.value, variant);
  }
  return [...best.values()];
}
