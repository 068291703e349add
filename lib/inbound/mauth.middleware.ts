import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import { Exchange, nodeRequest } from './exchange.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { MAUTH_INBOUND_AUTHENTICATOR } from './inbound-tokens.js';
import { passDoor } from './platform.js';
import { sentTarget } from './sent-target.js';

/**
 * A door for all routes, as a middleware of Nest: nothing but authentic requests passes, and the paths of the option
 * `exempt`. Decorators do not count here. It is for all routes only: a middleware for some paths can be passed by
 * with other spellings of these paths; protect single routes with `@RequiresMAuth()`. Mind the braces in the example:
 * `*path` alone would leave `/` open.
 *
 * With a global prefix Nest puts it in front of what is under the prefix and of the routes that are excluded from the
 * prefix, and of nothing else. Middleware that stands in front of it runs first, and so do the body parsers of Express;
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

  /** Calls `next` for requests that may pass; answers all others itself. */
  use(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void {
    const exchange = new Exchange(nodeRequest(request), response);
    passDoor(this.authenticator.admits(exchange, sentTarget(request)), next, next);
  }
}
