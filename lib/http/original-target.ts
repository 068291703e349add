import { type IncomingMessage } from 'node:http';
import { ownProperty } from '../protocol/own-properties.js';

/**
 * Node's request with what Express, Connect and `@fastify/middie` add to it: they take from `url` the path that a
 * middleware is mounted at, and keep the whole of it here.
 */
export type MountedRequest = IncomingMessage & { readonly originalUrl?: string };

/**
 * Path and query as they were sent; empty, which no signature covers, when that cannot be told.
 */
export function sentTarget(request: MountedRequest): string {
  const original: unknown = ownProperty(request, 'originalUrl');
  if (original === undefined) return ownProperty(request, 'url') ?? '';
  // Where there is one already they leave it, also one of `Object.prototype`, which they write on the request.
  const isInherited = original === (Object.prototype as Partial<MountedRequest>).originalUrl;
  return typeof original === 'string' && !isInherited ? original : '';
}
