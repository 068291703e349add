import { type MAuthIdentity } from '../authentication/result.js';
import { nodeRequest } from './exchange.js';

// By a global name: the CommonJS and the ES module copy of this package must find each other's identities.
const IDENTITY = Symbol.for('nestjs-mauth:identity');

/**
 * Which app signed the request, once it has been authenticated; for interceptors, filters, loggers and middleware.
 *
 * @param request Express's, Fastify's or Node's
 * @returns a frozen identity, or undefined when the request was not authenticated (yet). No header of a request
 * can imitate it, because it is stored under a symbol on Node's request.
 *
 * @example
 * const identity = getMAuthIdentity(request);
 * logger.log(`${request.method} ${request.url} by ${identity?.appUuid ?? 'nobody'}`);
 */
export function getMAuthIdentity(request: unknown): MAuthIdentity | undefined {
  if (typeof request !== 'object' || request === null) return undefined;
  const node = nodeRequest(request) as unknown as Record<symbol, MAuthIdentity | undefined>;
  return Object.hasOwn(node, IDENTITY) ? node[IDENTITY] : undefined;
}

/** Stores who signed the request; nothing but this package may. */
export function setMAuthIdentity(request: object, { appUuid, protocolVersion }: MAuthIdentity): void {
  Object.defineProperty(nodeRequest(request), IDENTITY, {
    value: Object.freeze({ appUuid, protocolVersion }),
    configurable: true,
  });
}
