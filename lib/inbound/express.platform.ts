import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type HttpServer } from '@nestjs/common';
import { passDoor, type InboundEntry, type InboundPlatform } from './platform.js';

/** What Express adds to Node's request. */
type ExpressRequest = IncomingMessage & { originalUrl?: string; route?: unknown };

/** A middleware in front of all others; `app.use` in `main.ts` comes after it. */
export class ExpressPlatform implements InboundPlatform {
  readonly #adapter: HttpServer;

  constructor(adapter: HttpServer) {
    this.#adapter = adapter;
  }

  install(entry: InboundEntry): void {
    this.#adapter.use(
      (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
        const exchange = { request, response };
        entry.arrive(exchange);
        if (entry.admit) passDoor(entry.admit(exchange), next, next);
        else next();
      },
    );
  }

  sentTarget(request: ExpressRequest): string {
    return request.originalUrl ?? request.url ?? '';
  }

  routedTarget(request: ExpressRequest): string {
    return request.originalUrl ?? request.url ?? '';
  }

  isRouted(request: ExpressRequest): boolean {
    return request.route !== undefined;
  }
}
