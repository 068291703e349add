import { MAuthUnableToSignError } from '../../config/errors.js';
import { withoutMAuth } from '../header-fields.js';
import { isObject, readProperty } from '../signature-traces.js';
import { bodyTooLarge } from '../stream-bytes.js';

/** A `Request` of any implementation: of Node, of the undici package, of node-fetch and others. */
interface RequestLike {
  readonly url: string;
  readonly method?: string;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly redirect?: RequestInit['redirect'];
  readonly signal?: AbortSignal | null;
  readonly body?: unknown;
  readonly bodyUsed?: boolean;
  readonly arrayBuffer?: () => Promise<ArrayBuffer>;
}

/** Settings of a request that are passed on as they are. */
export const CARRIED = [
  'cache',
  'credentials',
  'integrity',
  'keepalive',
  'mode',
  'referrer',
  'referrerPolicy',
] as const;

/** The arguments of one call of fetch, whichever implementation their classes come from. */
export interface FetchCall {
  readonly url: URL;
  /** Without those of MAuth: a signature that the caller left there is out of date. */
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
  /** Of `init` only; the body of a `Request` is read by `toNative`. */
  readonly body: unknown;
  /** Arguments for Node's own `Request`, which would drop the body of a `Request` of another implementation. */
  toNative(maxBytes: number): Promise<[input: string | Request, init: RequestInit]>;
}

/**
 * Reads the arguments as fetch does, and accepts a `Request` of another implementation too.
 *
 * @throws TypeError as fetch does, when the URL is not absolute: a fetch of the caller's own could
 * resolve it to another URL than the signed one
 */
export function fetchCall(input: unknown, init: RequestInit = {}): FetchCall {
  const request = isRequestLike(input) ? input : undefined;
  const text = request ? request.url : String(input);
  const url = URL.canParse(text) ? new URL(text) : new URL(new Request(text).url);
  const fields = Object.fromEntries(new Headers(init.headers ?? request?.headers));
  const headers = new Headers(withoutMAuth(fields) as Record<string, string>);
  const signal = init.signal === undefined ? request?.signal : init.signal;
  const own = { ...init, headers, signal };
  return {
    url,
    headers,
    signal,
    body: init.body,
    toNative: async (maxBytes) => {
      if (!request) return [text, own];
      return request instanceof Request
        ? [request, own]
        : [request.url, { ...(await settings(request, own, maxBytes)), ...own }];
    },
  };
}

function isRequestLike(input: unknown): input is RequestLike {
  if (!isObject(input) || input instanceof URL) return false;
  const { url, method, headers } = input as Partial<RequestLike>;
  return typeof url === 'string' && (typeof method === 'string' || isObject(headers));
}

/** The settings and the body of a `Request` of another implementation; `init` goes before them. */
async function settings(request: RequestLike, init: RequestInit, maxBytes: number): Promise<RequestInit> {
  const given = [...CARRIED, 'method', 'redirect']
    .map((name) => [name, readProperty(request, name)])
    .filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(given) as RequestInit),
    ...(init.body === undefined && { body: (await bodyOf(request, maxBytes)) as RequestInit['body'] }),
  };
}

async function bodyOf(request: RequestLike, maxBytes: number): Promise<unknown> {
  if (request.bodyUsed) {
    throw new MAuthUnableToSignError(
      'body_consumed',
      'The body of the Request has been read already; make a fresh one, or clone it, for each request.',
    );
  }
  if (request.body !== undefined) return request.body;
  // Older implementations have no stream.
  const bytes = await request.arrayBuffer?.();
  if (bytes && bytes.byteLength > maxBytes) throw bodyTooLarge(maxBytes);
  return bytes?.byteLength ? bytes : undefined;
}
