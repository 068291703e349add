import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type AnyClass } from './access-metadata.js';
import { httpRequest } from './http-request.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';

/**
 * The global guard of `protect: 'everything'`. What passes the gate as an exempt path reaches the handler whose route
 * that very path is. Guards that the handler brings itself, such as by `@RequiresMAuth()`, are others and still check.
 */
export class ExemptRouteGuard implements CanActivate {
  readonly #guard: CanActivate;
  readonly #authenticator: InboundAuthenticator;

  constructor(guard: CanActivate, authenticator: InboundAuthenticator) {
    this.#guard = guard;
    this.#authenticator = authenticator;
  }

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    return this.#isExempt(context) || this.#guard.canActivate(context);
  }

  #isExempt(context: ExecutionContext): boolean {
    if (context.getType<string>() !== 'http') return false;
    const place = { controller: context.getClass<AnyClass>() as AnyClass, handler: context.getHandler() };
    return this.#authenticator.isExempt(place, httpRequest(context));
  }
}
