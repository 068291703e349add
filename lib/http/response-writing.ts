/** Told when a chunk has been taken, or why not. */
export type Callback = (error?: Error) => void;
/** What may be written to a response. */
export type Chunk = string | Uint8Array;

/** `write(chunk, encoding?, callback?)`. */
export function writeArguments([chunk, encoding, callback]: unknown[]) {
  return typeof encoding === 'function'
    ? ([chunk, undefined, encoding as Callback] as const)
    : ([chunk, encoding as BufferEncoding | undefined, (callback as Callback | null) ?? undefined] as const);
}

/** `end(chunk?, encoding?, callback?)`. */
export function endArguments(args: unknown[]) {
  return typeof args[0] === 'function'
    ? ([undefined, undefined, args[0] as Callback] as const)
    : writeArguments(args);
}

export function isChunk(chunk: unknown): chunk is Chunk {
  return typeof chunk === 'string' || chunk instanceof Uint8Array;
}

export function bytesOf(chunk: Chunk, encoding: BufferEncoding | undefined): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding ?? 'utf8');
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Tells that a chunk, or an end, came too late. */
export function refuse(callback: Callback | undefined, code: string, message: string): void {
  if (callback) process.nextTick(callback, Object.assign(new Error(message), { code }));
}

/** What Node throws where headers have left already. */
export function headersSent(): Error {
  const error = new Error('Cannot change headers after they are sent to the client');
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
}
