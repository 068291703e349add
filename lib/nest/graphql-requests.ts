import { type ExecutionContext } from '@nestjs/common';
import { nodeRequest } from '../http/request-pair.js';
import { ownProperty } from '../protocol/own-properties.js';

/** Where GraphQL servers put the HTTP request: Apollo, others, and Mercurius. */
interface GraphqlContext {
  readonly req?: unknown;
  readonly request?: unknown;
  readonly reply?: { readonly request?: unknown };
}

interface GraphqlInfo {
  readonly operation?: { readonly operation?: unknown };
  readonly variableValues?: unknown;
}

/**
 * What may be the HTTP request that a GraphQL operation came with. It is for the caller to tell whether one of them
 * is a request of this application: an application may put anything into the context.
 *
 * @returns nothing for subscriptions and for what came over a socket: the signature of a handshake says nothing about
 * the messages that follow it
 */
export function graphqlRequests(context: ExecutionContext): object[] {
  // (parent, args, context, info) for resolvers of fields, (reference, context, info) for those of references.
  const [graphql, info] = context.getArgs<unknown[]>().slice(-2) as [GraphqlContext?, GraphqlInfo?];
  if (ownProperty(ownProperty(info, 'operation'), 'operation') === 'subscription') return [];
  const reply = ownProperty(graphql, 'reply');
  const candidates = [
    ownProperty(graphql, 'req'),
    ownProperty(graphql, 'request'),
    ownProperty(reply, 'request'),
  ];
  return candidates.filter(isObject).filter((candidate) => !isUpgrade(candidate));
}

/** Handlers of which it was told that they are refused, for each run of an operation. */
const TOLD = new WeakMap<object, Set<unknown>>();

/**
 * Whether it was told before that the handler is refused to this run of a GraphQL operation, which may name one field
 * many times. It counts as told from now on.
 */
export function isRefusalTold(context: ExecutionContext): boolean {
  if (context.getType<string>() !== 'graphql') return false;
  // Servers make the variables anew for each run, while they keep parsed operations and contexts for several.
  const run = ownProperty(context.getArgs<unknown[]>().at(-1) as GraphqlInfo | undefined, 'variableValues');
  if (!isObject(run)) return false;
  const handlers = TOLD.get(run) ?? new Set();
  TOLD.set(run, handlers);
  const told = handlers.has(context.getHandler());
  handlers.add(context.getHandler());
  return told;
}

function isObject(candidate: unknown): candidate is object {
  return typeof candidate === 'object' && candidate !== null;
}

/** `@fastify/websocket` routes handshakes like requests. */
function isUpgrade(request: object): boolean {
  const incoming = nodeRequest(request);
  const header = ownProperty(ownProperty(incoming, 'headers'), 'upgrade');
  return (
    ownProperty(incoming as { upgrade?: unknown }, 'upgrade') === true || /websocket/i.test(String(header))
  );
}
