import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { privateFieldMap } from '../../authentication/private-field-map.js';
import { RequestPair, originalTarget, type MountedRequest } from '../request-pair.js';
import { passGate } from '../gate.js';
import { type RequestHooks, type TargetReader } from '../platform.js';
import { ownProperty } from '../../protocol/own-properties.js';

type Done = (error?: unknown) => void;
type Reply = { readonly raw: ServerResponse; getHeaders(): OutgoingHttpHeaders };
type Hook = (request: { raw: IncomingMessage }, reply: Reply, done: Done) => void;

/** As much of a Fastify instance as hooks need. */
export interface HookedInstance {
  addHook(name: 'onRequest' | 'preHandler', hook: Hook): unknown;
}

class FastifyRequestPair extends RequestPair {
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    private readonly reply?: Reply,
  ) {
    super(request, response);
  }

  override pendingHeaders(): OutgoingHttpHeaders {
    return this.reply?.getHeaders() ?? {};
  }
}

/** The way in of Fastify, as far as its hooks go: they also see what is injected without a server. */
export class FastifyHooks implements TargetReader {
  readonly #replies = privateFieldMap<IncomingMessage, Reply>();
  #squeezesSlashes = false;

  /** @returns a middleware that does the same as the hooks, for `use` of `@fastify/middie` */
  addHooks(instance: HookedInstance, entry: RequestHooks) {
    const enter = (
      request: IncomingMessage,
      response: ServerResponse,
      done: Done,
      reply?: Reply,
      isRouted?: boolean,
    ) => {
      entry.arrive(request, response, isRouted);
      if (entry.allow) passGate(entry.allow(new FastifyRequestPair(request, response, reply)), done, done);
      else done();
    };
    this.#squeezesSlashes = ignoresDuplicateSlashes(instance);
    if (entry.allow) this.#noteReplies(instance);
    instance.addHook('onRequest', ({ raw }, reply, done) => enter(raw, reply.raw, done, reply));
    // What hooks pass on to the not-found handler comes here without having met the one above.
    instance.addHook('preHandler', ({ raw }, reply, done) => enter(raw, reply.raw, done, reply, true));
    return (request: IncomingMessage, response: ServerResponse, next: Done) =>
      enter(request, response, next, this.#replies.get(request));
  }

  /**
   * A middleware is given Node's response, without the headers that hooks have set on Fastify's reply. It runs in a hook
   * that is older than any that can be added now, so this hook is put in front of those. Where Fastify keeps them
   * otherwise, refusals do without those headers.
   */
  #noteReplies(instance: object): void {
    const key = Object.getOwnPropertySymbols(instance).find(
      ({ description }) => description === 'fastify.hooks',
    );
    const hooks = key && ownProperty((instance as Record<symbol, unknown>)[key], 'onRequest');
    if (!Array.isArray(hooks)) return;
    const note: Hook = ({ raw }, reply, done) => {
      if (!this.#replies.get(raw)) this.#replies.set(raw, reply);
      done();
    };
    hooks.unshift(note);
  }

  /** The hook before handlers says so, as it comes. */
  isRouted(): boolean {
    return false;
  }

  routedTarget(request: IncomingMessage): string {
    return ownProperty(request, 'url') ?? '';
  }

  routedTargets(request: MountedRequest): readonly string[] {
    const targets = [this.routedTarget(request), originalTarget(request)];
    return this.#squeezesSlashes && targets.some(hasSlashesInQuery) ? [...targets, UNREADABLE] : targets;
  }
}

/** Stands for a target that the signature says nothing about: the path policy refuses it. */
const UNREADABLE = '';

/** With this option of Fastify the router also squeezes slashes that stand in the query. */
function ignoresDuplicateSlashes(instance: object): boolean {
  const config = ownProperty(
    instance as { initialConfig?: RouterOptions & { routerOptions?: RouterOptions } },
    'initialConfig',
  );
  const options = [config, ownProperty(config, 'routerOptions')];
  return options.some((each) => ownProperty(each, 'ignoreDuplicateSlashes') === true);
}

interface RouterOptions {
  readonly ignoreDuplicateSlashes?: boolean;
}

function hasSlashesInQuery(target: string): boolean {
  const mark = target.indexOf('?');
  return mark >= 0 && target.includes('//', mark);
}
