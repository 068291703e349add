import { types } from 'node:util';
import { MAuthUnableToSignError } from '../../config/errors.js';
import { type FetchCall } from './fetch-request.js';
import { bodyAtHand, isReadable, isStream, readBody } from '../request-body.js';
import { isObject } from '../signature-traces.js';
import { readableOf, streamBytes, type ReadLimits } from '../stream-bytes.js';

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
