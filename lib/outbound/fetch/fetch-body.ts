import { types } from 'node:util';
import { MAuthUnableToSignError } from '../../config/errors.js';
import { type FetchCall } from './fetch-request.js';
import { bodyAtHand, isReadable, isStream, readBody } from '../request-body.js';
import { isObject } from '../signature-traces.js';
import { readableOf, streamBytes, type ReadLimits } from '../stream-bytes.js';

/** The body of a request, read to its end. */
export interface FetchBody {
  readonly bytes: Buffer;
  /** It came as a stream, so the caller does not expect it to be sent twice. */
  readonly isStream: boolean;
}

/**
 * Lets Node's own `Request` settle URL, method, headers and body, content type and boundary of a form included, and
 * reads that body once: these bytes are signed, and these are sent.
 *
 * @throws TypeError as fetch does for what is no request; MAuthUnableToSignError `body_unsupported`, `body_too_large`,
 * `body_unreadable`; the reason of the signal
 */
export async function fetchBody(
  call: FetchCall,
  maxBytes: number,
): Promise<{ request: Request; body: FetchBody }> {
  const { signal } = call;
  const limits = { maxBytes, signal: signal ?? new AbortController().signal };
  // The body of a Request may be sent again: whether that was made of a stream cannot be seen.
  const isStream = isStreamBody(call.body);
  signal?.throwIfAborted();
  try {
    const [input, given] = await call.toNative(maxBytes);
    const init = isOfNode(given.body) ? given : await inNodesTerms(given, limits);
    // What is a stream here is sent from memory, so that the caller need not say how it is to be sent.
    const request = new Request(input, { ...init, ...(isStreamBody(init.body) && { duplex: 'half' }) });
    // Whatever the caller announced, the bytes are counted when they are sent.
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
 * Whoever stops reading a form leaves its stream as it is: cancelling that of a form makes Node 24 fail in the
 * background, which ends the process. Whether the form of a `Request` came as one cannot be seen.
 */
function isForm({ headers }: Request, body: unknown): boolean {
  return (
    body instanceof FormData ||
    (body === undefined && /^multipart\/form-data\b/i.test(headers.get('content-type') ?? ''))
  );
}

/** A body of another implementation in bytes, with the content type that comes with it. */
async function inNodesTerms(init: RequestInit, limits: ReadLimits): Promise<RequestInit> {
  const given: unknown = init.body;
  if (!isObject(given) || types.isSharedArrayBuffer(given)) throw unsupported();
  const body = bodyAtHand(given) ?? (isReadable(given) ? await readBody(given, limits) : undefined);
  if (!body) throw unsupported();
  const headers = new Headers(init.headers);
  if (body.contentType && !headers.has('content-type')) headers.set('content-type', body.contentType);
  return { ...init, headers, body: body.data === undefined ? undefined : new Uint8Array(body.bytes) };
}

/** fetch makes text such as "[object Object]" of anything that it does not know. */
function unsupported(): MAuthUnableToSignError {
  return new MAuthUnableToSignError(
    'body_unsupported',
    'The body must be text, bytes, URLSearchParams, FormData, a Blob or a stream; use JSON.stringify() for JSON.',
  );
}

/** Whether Node's `Request` makes of the body what it stands for. */
function isOfNode(body: unknown): boolean {
  if (typeof body === 'symbol' || typeof body === 'function') return false;
  if (typeof body !== 'object' || body === null || isAtHand(body)) return true;
  if (body instanceof FormData || body instanceof Blob || body instanceof ReadableStream) return true;
  return !isReadable(body) && Symbol.asyncIterator in body;
}

/** Text and bytes that the caller holds in memory anyway. */
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
