import { MAuthUnableToSignError } from '../config/errors.js';
import { type SignTestRequestOptions } from './sign-test-request.js';
import { standardCaller } from './test-caller.js';

/** What Fastify's `inject` takes, as far as a signature depends on it. */
export interface InjectOptions {
  method?: string;
  url?: string | { pathname: string; query?: object | string };
  path?: string | { pathname: string; query?: object | string };
  query?: string | Record<string, string | string[]>;
  headers?: Record<string, unknown>;
  payload?: unknown;
  body?: unknown;
}

/** The same options, signed: with a target without separate query, and a body of bytes. */
export type SignedInjectOptions<T> = Omit<T, 'url' | 'path' | 'query' | 'payload' | 'body' | 'headers'> & {
  url: string;
  headers: Record<string, string | string[]>;
  payload?: Buffer;
};

const FORM = 'application/x-www-form-urlencoded;charset=UTF-8';

/**
 * Signs what Fastify's `inject` is going to send.
 *
 * @param options those of `inject`; the payload is an object (sent as JSON), text, a Buffer or URLSearchParams
 * @param signing `as`: who signs; `time`: in seconds since 1970; `signVersions`
 * @throws MAuthUnableToSignError, code `body_not_signable`, for other payloads: streams and forms with files
 *
 * @example
 * const response = await app.inject(await signInject({ method: 'POST', url: '/studies', payload: { name: 'Mediflex' } }));
 */
export async function signInject<T extends InjectOptions>(
  options: T,
  { as: caller = standardCaller(), ...overrides }: SignTestRequestOptions = {},
): Promise<SignedInjectOptions<T>> {
  const { url, path, query, payload, body, headers, ...rest } = options;
  const target = targetOf(url ?? path ?? '/', query);
  const { bytes, contentType } = bytesOf(payload ?? body);
  const given = Object.fromEntries(
    Object.entries(headers ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.map(String) : String(value)]),
  );
  const signature = await caller.sign(
    { method: (options.method ?? 'GET').toUpperCase(), url: target, body: bytes },
    overrides,
  );
  return {
    ...rest,
    url: target,
    headers: { ...(contentType && { 'content-type': contentType }), ...given, ...signature },
    ...(bytes.length > 0 && { payload: bytes }),
  };
}

/** As `inject` puts it together: a pair of `query` takes the place of pairs of that name in the URL. */
function targetOf(url: NonNullable<InjectOptions['url']>, query: InjectOptions['query']): string {
  const base = 'http://localhost';
  const parsed =
    typeof url === 'string'
      ? new URL(url.startsWith('//') ? base + url : url, base)
      : Object.assign(new URL(base), { pathname: url.pathname });
  const pairs = typeof query === 'string' ? groupOf(query) : { ...queryIn(url), ...query };
  for (const [name, value] of Object.entries(pairs)) {
    parsed.searchParams.delete(name);
    for (const each of Array.isArray(value) ? value : [value]) parsed.searchParams.append(name, each);
  }
  return parsed.pathname + parsed.search;
}

function queryIn(url: NonNullable<InjectOptions['url']>): object {
  if (typeof url === 'string' || url.query === undefined) return {};
  return typeof url.query === 'string' ? groupOf(url.query) : url.query;
}

function groupOf(query: string): Record<string, string[]> {
  const parameters = new URLSearchParams(query);
  return Object.fromEntries([...parameters.keys()].map((name) => [name, parameters.getAll(name)]));
}

function bytesOf(payload: unknown): { bytes: Buffer; contentType?: string } {
  if (payload === undefined || payload === null || payload === '') return { bytes: Buffer.alloc(0) };
  if (typeof payload === 'string') return { bytes: Buffer.from(payload) };
  if (payload instanceof Uint8Array) return { bytes: Buffer.from(payload) };
  if (payload instanceof URLSearchParams)
    return { bytes: Buffer.from(payload.toString()), contentType: FORM };
  if (isPlain(payload))
    return { bytes: Buffer.from(JSON.stringify(payload)), contentType: 'application/json' };
  throw new MAuthUnableToSignError(
    'body_not_signable',
    'signInject signs payloads that are an object, text, a Buffer or URLSearchParams. Send streams and forms with ' +
      'files to a listening application, with supertest and signTestRequest.',
  );
}

function isPlain(payload: unknown): boolean {
  if (Array.isArray(payload)) return true;
  const prototype: unknown = typeof payload === 'object' && Object.getPrototypeOf(payload);
  return (
    prototype === Object.prototype ||
    prototype === null ||
    typeof (payload as { toJSON?: unknown }).toJSON === 'function'
  );
}
