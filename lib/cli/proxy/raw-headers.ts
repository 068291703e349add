import { HEADERS } from '../../protocol/headers.js';

/** Headers in their order and case, as they came. */
export type RawHeaders = readonly (readonly [name: string, value: string])[];

/** Makes pairs of what Node calls `rawHeaders`. */
export function rawHeaders(flat: readonly string[]): RawHeaders {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : []));
}

/** The values of a header; its name in lower case. */
export function valuesOf(headers: RawHeaders, name: string): string[] {
  return headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
}

const MAUTH = Object.values(HEADERS).flatMap(({ authentication, time }) => [authentication, time]);
/** The names of the MAuth headers, in lower case. */
export const MAUTH_NAMES: ReadonlySet<string> = new Set(MAUTH.map((name) => name.toLowerCase()));

/** RFC 9110, section 7.6.1, and what was in use before it. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** Naming one of these in `Connection` must not take it away: they say where a message goes, and where it ends. */
const NEVER_NAMED = new Set(['host', 'content-length']);

/** The headers that are not for this connection alone; `keep` are hop-by-hop headers to be left where they are. */
export function endToEnd(headers: RawHeaders, keep: readonly string[] = []): RawHeaders {
  const named = valuesOf(headers, 'connection')
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !NEVER_NAMED.has(name));
  const dropped = new Set([...HOP_BY_HOP, ...named].filter((name) => !keep.includes(name)));
  return without(headers, dropped);
}

export function without(headers: RawHeaders, names: ReadonlySet<string>): RawHeaders {
  return headers.filter(([name]) => !names.has(name.toLowerCase()));
}

/** Puts a header in the place of the first one of those names, else in front; the others of those names go. */
export function replaced(
  headers: RawHeaders,
  names: readonly string[],
  field?: readonly [string, string],
): RawHeaders {
  const isOne = ([name]: readonly [string, string]) => names.includes(name.toLowerCase());
  const at = headers.findIndex(isOne);
  const rest = headers.filter((header) => !isOne(header));
  if (!field) return rest;
  return [...headers.slice(0, Math.max(at, 0)), field, ...rest.slice(Math.max(at, 0))];
}

/** Methods to which Node gives no body of its own accord; for all others a length of 0 says that there is none. */
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** One `Content-Length`, that of the bytes that were signed, in place of all headers that announced the body. */
export function framed(headers: RawHeaders, method: string, { length }: Uint8Array): RawHeaders {
  const announced = headers.find(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const isFramed = length > 0 || announced !== undefined || !WITHOUT_BODY.has(method);
  const name = announced && announced[0].toLowerCase() === 'content-length' ? announced[0] : 'Content-Length';
  const field = isFramed ? ([name, String(length)] as const) : undefined;
  if (announced || !field) return replaced(headers, ['content-length', 'transfer-encoding'], field);
  return [...headers, field];
}
