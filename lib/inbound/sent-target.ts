import { type IncomingMessage } from 'node:http';

/**
 * Node's request with what Express, Connect and `@fastify/middie` add to it: they take from `url` the path that a
 * middleware is mounted at, and keep the whole of it here.
 */
export type MountedRequest = IncomingMessage & { readonly originalUrl?: string };

/** Path and query as they were sent. */
export function sentTarget({ originalUrl, url }: MountedRequest): string {
  return originalUrl ?? url ?? '';
}
