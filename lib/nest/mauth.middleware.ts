import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Inject, Injectable, RequestMethod, type NestMiddleware } from '@nestjs/common';
import { pathOf } from '../authentication/path-policy.js';
import { RequestPair, nodeRequest, originalTarget } from '../http/request-pair.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { MAUTH_INBOUND_AUTHENTICATOR, MAUTH_NEST } from './tokens.js';
import { type NestCore } from './nest-core.js';
import { passGate } from '../http/gate.js';
type Use = MAuthMiddleware['use'];

/**
 * A gate for all routes, as a middleware of Nest: nothing but authentic requests passes, and the paths of the option
 * `exempt`. Decorators do not count here. It is for all routes only: a middleware for some paths can be passed by
 * with other spellings of these paths; protect single routes with `@RequiresMAuth()`. Mind the braces in the example:
 * `*path` alone would leave `/` open.
 *
 * Nest limits middleware to what is under the global prefix; this one also stands in front of what is beside the
 * prefix. Middleware that stands in front of it runs first, and so do the body parsers of Express;
 * `protect: 'everything'` stands in front of all of them.
 *
 * @example
 * export class AppModule implements NestModule {
 *   configure(consumer: MiddlewareConsumer) {
 *     consumer.apply(MAuthMiddleware).forRoutes('{*path}');
 *   }
 * }
 */
@Injectable()
export class MAuthMiddleware implements NestMiddleware {
  @Inject(MAUTH_INBOUND_AUTHENTICATOR)
  private readonly authenticator!: InboundAuthenticator;

  @Inject(MAUTH_NEST)
  private readonly nest!: NestCore;

  constructor() {
    const use = this.use.bind(this);
    let isPlaced = false;
    // Nest asks for the method at the moment at which it puts the middleware in its place among the others.
    const get = () => {
      if (!isPlaced) this.#standBesidePrefix(use);
      isPlaced = true;
      return use;
    };
    Object.defineProperty(this, 'use', { get });
  }

  /** Calls `next` for requests that may pass; answers all others itself. */
  use(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void {
    const exchange = new RequestPair(nodeRequest(request), response);
    passGate(this.authenticator.allows(exchange, originalTarget(request)), next, next);
  }

  #standBesidePrefix(use: Use): void {
    const prefix = this.nest.config.getGlobalPrefix().replace(/^\/+|\/+$/g, '');
    if (!prefix) return;
    const besidePrefix: Use = (request, response, next) =>
      isUnder(prefix, pathOf(originalTarget(request))) ? next() : use(request, response, next);
    // What is first to ask gets its place first, so this one is in place before Nest's own.
    const register = this.nest.adapterHost.httpAdapter.createMiddlewareFactory(RequestMethod.ALL);
    if (register instanceof Promise) void register.then((late) => void late('/{*path}', besidePrefix));
    else register('/{*path}', besidePrefix);
  }
}

/**
 * Whether Nest's own middleware for the prefix sees to the path for certain. Other spellings of the prefix count as
 * beside it, and so does everything where the prefix has parameters.
 */
function isUnder(prefix: string, path: string): boolean {
  return path === `/${prefix}` || path.startsWith(`/${prefix}/`);
}
