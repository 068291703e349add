import { types } from 'node:util';
import { MAuthUnableToSignError } from '../../config/errors.js';
import { withoutMAuth } from '../header-fields.js';
import { bodyAtHand, isReadable, isStream, readBody } from '../request-body.js';
import { isObject, readProperty } from '../signature-traces.js';
import { bodyTooLarge, readableOf, type ReadLimits, streamBytes } from '../stream-bytes.js';

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

/** The body of a request, read to its end. */
export interface FetchBody {
  readonly bytes: Buffer;
  /** The caller gave a stream, which fetch does not send a second time after a redirect. */
  readonly isStream: boolean;
}

/**
 * Builds Node's own `Request`, which decides URL, method, headers and body (with content type and boundary of a form),
 * and reads its body once: the bytes that are signed are the bytes that are sent.
 *
 * @throws TypeError as fetch does for an invalid request; MAuthUnableToSignError `body_unsupported`, `body_too_large`,
 * `body_unreadable`; the reason of the signal
 */
export async function fetchBody(
  call: FetchCall,
  maxBytes: number,
): Promise<{ request: Request; body: FetchBody }> {
  const { signal } = call;
  const limits = { maxBytes, signal: signal ?? new AbortController().signal };
  // The body of a `Request` counts as none: it does not show whether it was made of a stream.
  const isStream = isStreamBody(call.body);
  signal?.throwIfAborted();
  try {
    const [input, given] = await call.toNative(maxBytes);
    const init = isOfNode(given.body) ? given : await inNodesTerms(given, limits);
    // fetch asks for `duplex` with a stream; the caller need not set it, because the bytes are sent from memory.
    const request = new Request(input, { ...init, ...(isStreamBody(init.body) && { duplex: 'half' }) });
    // fetch sets the length of the bytes that are sent.
    request.headers.delete('content-length');
    if (!request.body) return { request, body: { bytes: Buffer.alloc(0), isStream } };
    const source = isForm(request, call.body) ? readableOf(request.body) : request.body;
    const reading = isAtHand(init.body) ? { ...limits, maxBytes: Infinity } : limits;
    return { request, body: { bytes: await streamBytes(source, reading), isStream } };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/**
 * The stream of a form must not be cancelled when reading stops early: Node 24 would fail in the background, which ends
 * the process. The form of a `Request` is known by its content type only.
 */
function isForm({ headers }: Request, body: unknown): boolean {
  return (
    body instanceof FormData ||
    (body === undefined && /^multipart\/form-data\b/i.test(headers.get('content-type') ?? ''))
  );
}

/** The call with a body of another implementation replaced by its bytes and its content type. */
async function inNodesTerms(init: RequestInit, limits: ReadLimits): Promise<RequestInit> {
  const given: unknown = init.body;
  if (!isObject(given) || types.isSharedArrayBuffer(given)) throw unsupported();
  const body = bodyAtHand(given) ?? (isReadable(given) ? await readBody(given, limits) : undefined);
  if (!body) throw unsupported();
  const headers = new Headers(init.headers);
  if (body.contentType && !headers.has('content-type')) headers.set('content-type', body.contentType);
  return { ...init, headers, body: body.data === undefined ? undefined : new Uint8Array(body.bytes) };
}

/** fetch would send text such as "[object Object]" instead. */
function unsupported(): MAuthUnableToSignError {
  return new MAuthUnableToSignError(
    'body_unsupported',
    'The body must be text, bytes, URLSearchParams, FormData, a Blob or a stream; use JSON.stringify() for JSON.',
  );
}

/** Whether Node's `Request` reads the body correctly. */
function isOfNode(body: unknown): boolean {
  if (typeof body === 'symbol' || typeof body === 'function') return false;
  if (typeof body !== 'object' || body === null || isAtHand(body)) return true;
  if (body instanceof FormData || body instanceof Blob || body instanceof ReadableStream) return true;
  return !isReadable(body) && Symbol.asyncIterator in body;
}

/** Text or bytes, which the caller holds in memory already: `maxStreamBytes` does not limit them. */
function isAtHand(body: unknown): boolean {
  return (
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    types.isArrayBuffer(body) ||
    body instanceof URLSearchParams
  );
}

function isStreamBody(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || isAtHand(body) || body instanceof FormData) return false;
  return isStream(body) || Symbol.asyncIterator in body;
}
