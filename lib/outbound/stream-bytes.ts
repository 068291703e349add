import { PassThrough, Readable } from 'node:stream';
import { MAuthUnableToSignError } from '../config/errors.js';
import { causeInWords } from './signature-traces.js';

/** A stream of Node: a Readable, or an older stream that can only be piped. */
export type NodeStream = NodeJS.ReadableStream & {
  destroyed?: boolean;
  destroy?: (error?: Error) => unknown;
};

/** The most bytes that are read into memory, and a signal that stops reading. */
export interface ReadLimits {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

// Older streams do not show that they have been read, so the streams that are read here are remembered.
const READ = new WeakSet<object>();

/**
 * Reads a stream to its end, because its bytes must be known before the headers leave.
 *
 * @throws MAuthUnableToSignError `body_consumed` (read before: it would be signed as empty), `body_too_large`,
 * `body_unsupported` (yields something other than bytes or text), `body_unreadable` (failed or was cut short)
 */
export async function streamBytes(stream: NodeStream | ReadableStream, limits: ReadLimits): Promise<Buffer> {
  if (isConsumed(stream)) {
    throw new MAuthUnableToSignError(
      'body_consumed',
      'The body is a stream that has been read or closed already; pass a fresh stream, or a Buffer, for each request.',
    );
  }
  READ.add(stream);
  const source = asReadable(stream);
  const stop = () => source.destroy(asError(limits.signal.reason));
  limits.signal.addEventListener('abort', stop, { once: true });
  if (limits.signal.aborted) stop();
  try {
    return await collect(source, limits.maxBytes);
  } catch (cause) {
    if (cause instanceof MAuthUnableToSignError) throw cause;
    const reason: unknown = limits.signal.aborted ? limits.signal.reason : cause;
    if (reason instanceof MAuthUnableToSignError) throw reason;
    throw new MAuthUnableToSignError(
      'body_unreadable',
      'The stream that is the body failed before its end.',
      { cause: causeInWords(cause) },
    );
  } finally {
    limits.signal.removeEventListener('abort', stop);
    // A source that was piped from keeps its file or socket open when reading stopped half-way.
    if (!isWebStream(stream) && !stream.destroyed) stream.destroy?.();
  }
}

/** The error for a body above the limit. */
export function bodyTooLarge(maxBytes: number): MAuthUnableToSignError {
  return new MAuthUnableToSignError(
    'body_too_large',
    `The body is larger than ${maxBytes} bytes, and a stream, Blob or form is held in memory to be signed; ` +
      'raise `http.maxStreamBytes`, or pass a Buffer.',
  );
}

function isConsumed(stream: NodeStream | ReadableStream): boolean {
  if (READ.has(stream)) return true;
  if (isWebStream(stream)) return stream.locked || Readable.isDisturbed(stream as never);
  return stream.destroyed === true || !stream.readable;
}

function isWebStream(stream: NodeStream | ReadableStream): stream is ReadableStream {
  return typeof (stream as ReadableStream).getReader === 'function';
}

function asReadable(stream: NodeStream | ReadableStream): Readable {
  if (stream instanceof ReadableStream) return Readable.fromWeb(stream as never);
  if (isWebStream(stream)) return readableOf(stream);
  if (stream instanceof Readable) return stream;
  const through = new PassThrough();
  let ended = false;
  stream.once('end', () => (ended = true));
  stream.once('error', (error: Error) => through.destroy(error));
  stream.once('close', () => ended || through.destroy(new Error('The stream closed before its end.')));
  return stream.pipe(through);
}

/** The chunks of a web stream; when reading stops early, the web stream is not cancelled. */
export function readableOf(stream: ReadableStream<Uint8Array>): Readable {
  const reader = stream.getReader();
  return new Readable({
    objectMode: true,
    read() {
      reader.read().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
  });
}

async function collect(source: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source) {
    const bytes = chunkBytes(chunk);
    length += bytes.length;
    if (length > maxBytes) throw bodyTooLarge(maxBytes);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks, length);
}

function chunkBytes(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, 'utf8');
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new MAuthUnableToSignError(
    'body_unsupported',
    'The stream that is the body must yield bytes or text.',
  );
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('The request was cancelled.');
}
