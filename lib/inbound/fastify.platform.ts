import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type HttpServer } from '@nestjs/common';
import { type Exchange } from './exchange.js';
import { passDoor, type InboundEntry, type InboundPlatform } from './platform.js';
import { requestNotes } from './request-notes.js';

type Done = (error?: unknown) => void;
type Hook = (request: { raw: IncomingMessage }, reply: { raw: ServerResponse }, done: Done) => void;

/** As much of a Fastify instance as is used here. */
interface FastifyInstance {
  readonly server: Server;
  addHook(name: 'onRequest' | 'preHandler', hook: Hook): unknown;
  readonly use?: unknown;
}

/**
 * Several places, because no single one sees everything: the server's event comes before `rewriteUrl`, hooks also
 * see what is injected without a server, and middleware of `app.use` runs in a hook that may be older than ours.
 */
export class FastifyPlatform implements InboundPlatform {
  readonly #adapter: HttpServer;
  readonly #routed = requestNotes<IncomingMessage, true>();

  constructor(adapter: HttpServer) {
    this.#adapter = adapter;
  }

  install(entry: InboundEntry): void {
    const instance = this.#adapter.getInstance() as FastifyInstance;
    const enter = (exchange: Exchange, done: Done) => {
      entry.arrive(exchange);
      if (entry.admit) passDoor(entry.admit(exchange), done, done);
      else done();
    };
    instance.server.prependListener('request', (request, response) => entry.arrive({ request, response }));
    instance.addHook('onRequest', ({ raw: request }, { raw: response }, done) =>
      enter({ request, response }, done),
    );
    // What hooks pass on to the not-found handler comes here without having met the one above.
    instance.addHook('preHandler', ({ raw: request }, { raw: response }, done) => {
      if (!this.#routed.get(request)) this.#routed.set(request, true);
      enter({ request, response }, done);
    });
    if (entry.admit && this.#hasMiddleware(instance)) {
      this.#adapter.use((request: IncomingMessage, response: ServerResponse, next: Done) =>
        enter({ request, response }, next),
      );
    }
  }

  sentTarget(request: IncomingMessage & { originalUrl?: string }): string {
    return request.originalUrl ?? request.url ?? '';
  }

  routedTarget(request: IncomingMessage): string {
    return request.url ?? '';
  }

  hasEarlierRoutes(): boolean {
    return false; // The hooks see what was registered before them, too.
  }

  isRouted(request: IncomingMessage): boolean {
    return this.#routed.get(request) === true;
  }

  /** With the adapter's option `skipMiddie` there is no `app.use`, unless the application brings one. */
  #hasMiddleware(instance: FastifyInstance): boolean {
    const { isMiddieRegistered } = this.#adapter as { isMiddieRegistered?: boolean };
    return isMiddieRegistered !== true || typeof instance.use === 'function';
  }
}
