import { type ServerResponse } from 'node:http';

/** Status line of a response, once it cannot change any more. */
export interface ResponseHead {
  readonly status: number;
  /** Undefined = Node's own text for the status. */
  readonly message: string | undefined;
  /** Whether the application called `writeHead`; without it Node can still count the length of a body that is complete. */
  readonly isExplicit: boolean;
}

/** The head that `writeHead` was called with; undefined where Node would refuse it, with an error for the caller. */
export function readHead(args: readonly unknown[], current: string | undefined) {
  const status = Number(args[0]) | 0;
  const message = typeof args[1] === 'string' ? args[1] : current || undefined;
  const headers = typeof args[1] === 'string' ? args[2] : (args[2] ?? args[1]);
  if (status < 100 || status > 999) return undefined;
  // RFC 9110, section 15.1: what a reason phrase may hold.
  if (message !== undefined && /[^\t\x20-\x7e\x80-\xff]/.test(message)) return undefined;
  const fields = headerFields(headers);
  return fields && { status, message, fields };
}

/** Sets them now, so that the error of a malformed one reaches the application, and not the code that sends them later. */
export function setFields(response: ServerResponse, fields: readonly (readonly [string, unknown])[]): void {
  const byName = new Map<string, [name: string, values: unknown[]]>();
  for (const [name, value] of fields) {
    const entry = byName.get(name.toLowerCase());
    if (entry) entry[1].push(value);
    else byName.set(name.toLowerCase(), [name, [value]]);
  }
  for (const [name, values] of byName.values()) {
    response.setHeader(name, (values.length > 1 ? values.flat() : values[0]) as string);
  }
}

function headerFields(headers: unknown): (readonly [string, unknown])[] | undefined {
  if (typeof headers !== 'object' || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (headers.every(Array.isArray)) return headers as [string, unknown][];
  if (headers.length % 2 !== 0) return undefined;
  return headers.flatMap((name, index) =>
    index % 2 === 0 ? [[String(name), headers[index + 1]] as const] : [],
  );
}

/** A response to HEAD and one of these statuses have no body, even where one is written (RFC 9110, section 6.4.1). */
export function isBodiless(method: string | undefined, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

/** Told when a chunk has been taken, or why not. */
export type Callback = (error?: Error) => void;
/** A chunk as it may be written to a response. */
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

/** The error that Node throws where headers have left already. */
export function headersSent(): Error {
  const error = new Error('Cannot change headers after they are sent to the client');
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
}
