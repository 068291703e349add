import { Readable } from 'node:stream';
import { types } from 'node:util';
import { MAuthUnableToSignError } from '../mauth.errors.js';
import { streamBytes } from './stream-bytes.js';

/** The body of a request, read to its end. */
export interface FetchBody {
  readonly bytes: Buffer;
  /** It came as a stream, so the caller does not expect it to be sent twice. */
  readonly isStream: boolean;
}

export interface FetchBodyLimits {
  /** Largest stream, Blob or form, in bytes. */
  readonly maxBytes: number;
  readonly signal: AbortSignal | null | undefined;
}

/**
 * Lets Node's own `Request` settle URL, method, headers and body, content type and boundary of a form included, and
 * reads that body once: these bytes are signed, and these are sent.
 *
 * @throws TypeError as fetch does for what is no request; MAuthUnableToSignError `body_unsupported`, `body_too_large`,
 * `body_unreadable`; the reason of the signal
 */
export async function fetchBody(
  input: Parameters<typeof fetch>[0],
  init: RequestInit,
  { maxBytes, signal }: FetchBodyLimits,
): Promise<{ request: Request; body: FetchBody }> {
  const isStream = isStreamBody(init.body);
  checkKind(init.body);
  signal?.throwIfAborted();
  // What is a stream here is sent from memory, so that the caller need not say how it is to be sent.
  const request = new Request(input, { ...init, ...(isStream && { duplex: 'half' }) });
  // Whatever the caller announced, the bytes are counted when they are sent.
  request.headers.delete('content-length');
  if (!request.body) return { request, body: { bytes: Buffer.alloc(0), isStream } };
  const limit = isAtHand(init.body) ? Infinity : maxBytes;
  try {
    const reading = { maxBytes: limit, signal: signal ?? new AbortController().signal };
    const source = isForm(request, init.body) ? formReadable(request.body) : request.body;
    return { request, body: { bytes: await streamBytes(source, reading), isStream } };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function isForm({ headers }: Request, body: unknown): boolean {
  return (
    body instanceof FormData || (!body && /^multipart\/form-data\b/i.test(headers.get('content-type') ?? ''))
  );
}

/**
 * Whoever stops reading this leaves the stream as it is: cancelling that of a form makes Node 24 fail in the
 * background, which ends the process. Whether the form of a `Request` came as one cannot be seen.
 */
function formReadable(stream: ReadableStream<Uint8Array>): Readable {
  const reader = stream.getReader();
  return new Readable({
    read() {
      reader.read().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
  });
}

/** fetch makes text such as "[object Object]" of anything that it does not know. */
function checkKind(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const isKnown =
    isAtHand(body) ||
    isStreamBody(body) ||
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob;
  if (isKnown) return;
  throw new MAuthUnableToSignError(
    'body_unsupported',
    'The body must be text, bytes, URLSearchParams, FormData, a Blob or a stream; use JSON.stringify() for JSON.',
  );
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
  return body instanceof ReadableStream || Symbol.asyncIterator in body;
}
