import { knownIdentity, type MAuthIdentity } from '../authentication/identity.js';
import { nodeRequest } from './request-pair.js';

/**
 * Which app signed the request, once it has been authenticated; for interceptors, filters, loggers and middleware.
 * It tells the same of a response that axios has received, where responses are authenticated.
 *
 * @param message Express's, Fastify's or Node's request, or axios' response
 * @returns a frozen identity, or undefined when the message was not authenticated (yet). No header of a message
 * can imitate it, because it is noted in a private field of Node's request, or of the response.
 *
 * @example
 * const identity = getMAuthIdentity(request);
 * logger.log(`${request.method} ${request.url} by ${identity?.appUuid ?? 'an unknown app'}`);
 */
export function getMAuthIdentity(message: unknown): MAuthIdentity | undefined {
  return typeof message === 'object' && message !== null ? knownIdentity(nodeRequest(message)) : undefined;
}
