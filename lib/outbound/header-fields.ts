import { HEADERS } from '../protocol/headers.js';

/** Headers of a request on its way to an adapter; a value of false keeps axios from setting one of its own. */
export type MAuthHeaderFields = Readonly<Record<string, unknown>>;

const MAUTH: ReadonlySet<string> = new Set(
  Object.values(HEADERS).flatMap(({ authentication, time }) => [
    authentication.toLowerCase(),
    time.toLowerCase(),
  ]),
);

/** Whether a header, its name in any case, is one of MAuth's. */
export function isMAuthHeader(name: string): boolean {
  return MAUTH.has(name.toLowerCase());
}

/** The headers whose name, in lower case, passes. */
export function keepHeaders(
  headers: MAuthHeaderFields,
  keeps: (name: string) => boolean,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => keeps(name.toLowerCase())));
}

/** The headers but for those whose name, in lower case, is in the set. */
function without(names: ReadonlySet<string>, headers: MAuthHeaderFields): Record<string, unknown> {
  const rest: Record<string, unknown> = {};
  for (const name of Object.keys(headers)) if (!names.has(name.toLowerCase())) rest[name] = headers[name];
  return rest;
}

/** The headers without those of MAuth: a signature that the caller or an earlier attempt left there is out of date. */
export function withoutMAuth(headers: MAuthHeaderFields): Record<string, unknown> {
  return without(MAUTH, headers);
}

const CONTENT_TYPE: ReadonlySet<string> = new Set(['content-type']);

/** Sets the content type that comes with a body. */
export function withContentType(
  headers: MAuthHeaderFields,
  { contentType, weakType }: { contentType?: string; weakType?: true },
): MAuthHeaderFields {
  if (!contentType) return headers;
  const isSet = Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'content-type' && value,
  );
  if (weakType && isSet) return headers;
  return { ...without(CONTENT_TYPE, headers), 'Content-Type': contentType };
}

const NOT_SENT_ALONG: ReadonlySet<string> = new Set([...MAUTH, 'content-length', 'transfer-encoding']);

/**
 * The headers without those of MAuth, and with the length of the signed bytes: with another length the server would
 * read a body that was not signed.
 */
export function framed(headers: MAuthHeaderFields, { length }: Uint8Array): Record<string, unknown> {
  const rest = without(NOT_SENT_ALONG, headers);
  return length > 0 ? { ...rest, 'Content-Length': String(length) } : rest;
}
