import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { type Http2ServerResponse } from 'node:http2';
import { Socket } from 'node:net';
import { Readable, Stream } from 'node:stream';
import { HEADERS } from '../protocol/headers.js';
import { ownProperty } from '../protocol/own-properties.js';

/**
 * A request and its response as Node hands them over, below any framework.
 *
 * A class, like all that refers to a request: under load V8 comes to allocate what an object literal makes among the
 * old objects, where it keeps the whole request alive until the next full collection.
 */
export class RequestPair {
  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
  ) {}

  /** Whether the caller is gone. Responses of HTTP/2 tell by their stream alone. */
  get isGone(): boolean {
    if (this.request.httpVersionMajor < 2) return this.response.destroyed;
    const { stream } = this.response as ServerResponse & Partial<Pick<Http2ServerResponse, 'stream'>>;
    return this.response.destroyed || stream?.destroyed === true;
  }

  /** Headers that the framework keeps apart until it answers itself, such as those of CORS. */
  pendingHeaders(): OutgoingHttpHeaders {
    return {};
  }
}

/** Node's request behind the request of a framework (Fastify wraps it, Express does not). */
export function nodeRequest(request: unknown): IncomingMessage {
  const raw = ownProperty(request, 'raw');
  return (raw instanceof Readable ? raw : request) as IncomingMessage;
}

/** Node's response behind the response of a framework; undefined for anything else. */
export function nodeResponse(response: unknown): ServerResponse | undefined {
  const raw = ownProperty(response, 'raw');
  const found = raw instanceof Stream ? raw : response;
  return found instanceof Stream ? (found as ServerResponse) : undefined;
}

/** Whether any authentication header is there, even a malformed one; a time alone is nothing. */
export function isSigned(headers: IncomingHttpHeaders | undefined): boolean {
  if (typeof headers !== 'object') return false;
  return (
    (Object.hasOwn(headers, V2_HEADER) && headers[V2_HEADER] !== undefined) ||
    (Object.hasOwn(headers, V1_HEADER) && headers[V1_HEADER] !== undefined)
  );
}

const V1_HEADER = HEADERS[1].authentication.toLowerCase();
const V2_HEADER = HEADERS[2].authentication.toLowerCase();

/**
 * Whether it is certain that no body follows. In HTTP/1 a request without these headers has none (RFC 9112,
 * section 6.3); where the request did not come through a socket (serverless adapters, `inject` of tests), or came
 * through HTTP/2, headers prove nothing.
 */
export function hasNoBody(request: IncomingMessage, announced: number): boolean {
  if (request.httpVersionMajor >= 2)
    return ownProperty(ownProperty(request, 'stream'), 'endAfterHeaders') === true;
  if (!(request.socket instanceof Socket)) return false;
  return !Object.hasOwn(request.headers, 'transfer-encoding') && announced === 0;
}

/** Whether a server of Node has read the request; serverless adapters and `inject` of tests make theirs of text. */
export function comesOffTheWire(request: IncomingMessage): boolean {
  return request.httpVersionMajor >= 2 || request.socket instanceof Socket;
}

/** The announced length of the body, in bytes; 0 when none is announced. */
export function contentLength(request: IncomingMessage): number {
  return Object.hasOwn(request.headers, 'content-length')
    ? Number(request.headers['content-length'] ?? 0)
    : 0;
}

/**
 * Node's request with what Express, Connect and `@fastify/middie` add to it: they take from `url` the path that a
 * middleware is mounted at, and keep the whole of it here.
 */
export type MountedRequest = IncomingMessage & { readonly originalUrl?: string };

/**
 * Path and query as they were sent; empty, which no signature covers, when that cannot be told.
 */
export function originalTarget(request: MountedRequest): string {
  if (!Object.hasOwn(request, 'originalUrl')) return request.url ?? '';
  const original: unknown = request.originalUrl;
  if (original === undefined) return request.url ?? '';
  // Where there is one already they leave it, also one of `Object.prototype`, which they write on the request.
  const isInherited = original === (Object.prototype as Partial<MountedRequest>).originalUrl;
  return typeof original === 'string' && !isInherited ? original : '';
}
