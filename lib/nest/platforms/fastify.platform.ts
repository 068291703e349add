import { type Server } from 'node:http';
import { type HttpServer } from '@nestjs/common';
import { FastifyHooks, type HookedInstance } from '../../http/servers/fastify-hooks.js';
import { type EarlierLayers, type RequestHooks, type InboundPlatform } from '../../http/platform.js';
import { ownProperty } from '../../protocol/own-properties.js';

/** As much of a Fastify instance as is used here. */
interface FastifyInstance extends HookedInstance {
  readonly server: Server;
  readonly use?: unknown;
}

/**
 * Several places, because no single one sees everything: the server's event comes before `rewriteUrl`, hooks also
 * see what is injected without a server, and middleware of `app.use` runs in a hook that may be older than ours.
 */
export class FastifyPlatform extends FastifyHooks implements InboundPlatform {
  readonly #adapter: HttpServer;

  constructor(adapter: HttpServer) {
    super();
    this.#adapter = adapter;
  }

  install(entry: RequestHooks): void {
    const instance = this.#adapter.getInstance() as FastifyInstance;
    instance.server.prependListener('request', (request, response) => entry.arrive(request, response));
    const middleware = this.addHooks(instance, entry);
    if (entry.allow && this.#hasMiddleware(instance)) this.#adapter.use(middleware);
  }

  earlierLayers(): EarlierLayers {
    // Our hooks see routes that were registered before them, too, but earlier hooks and middleware run first. Nest's
    // own are among them, and cannot be told from the application's.
    return { answering: [], mayAnswer: true };
  }

  /** With the adapter's option `skipMiddie` there is no `app.use`, unless the application brings one. */
  #hasMiddleware(instance: FastifyInstance): boolean {
    const isRegistered = ownProperty(this.#adapter as { isMiddieRegistered?: boolean }, 'isMiddieRegistered');
    return isRegistered !== true || typeof ownProperty(instance, 'use') === 'function';
  }
}
