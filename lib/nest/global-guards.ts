import { type CanActivate, type ExecutionContext, type FactoryProvider, type Provider } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { nodeRequest } from '../http/request-pair.js';
import { type ResponseSigning } from '../http/response-signing.js';
import { handlerOf, isGuarded, isSignResponse, HandlerCache, type AccessPolicies } from './access-policy.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { MAuthGuard } from './mauth.guard.js';
import { laterProvided } from './message-protection.js';
import { type MAuthProtection } from './module-options.js';
import { type NestCore } from './nest-core.js';
import {
  MAUTH_INBOUND_AUTHENTICATOR,
  MAUTH_MESSAGE_GUARD,
  MAUTH_NEST,
  MAUTH_RESPONSE_SIGNING,
} from './tokens.js';

type Verdict = ReturnType<CanActivate['canActivate']>;

/**
 * With `protect: 'decorated'` handlers are guarded by the guard that their decorators bring. Nest keeps that record on
 * the function, so a method that overrides a protected one, or that another decorator has replaced, would be left
 * without. This guard runs everywhere and steps in at such handlers, and nowhere else.
 */
class InheritedRestrictionGuard implements CanActivate {
  readonly #guard: CanActivate;
  readonly #policies: AccessPolicies;

  constructor(guard: CanActivate, policies: AccessPolicies) {
    this.#guard = guard;
    this.#policies = policies;
  }

  canActivate(context: ExecutionContext): Verdict {
    const place = handlerOf(context);
    if (isGuarded(place) || !this.#policies.of(place).isDeclared) return true;
    return this.#guard.canActivate(context);
  }
}

/**
 * The global guard of `protect: 'everything'`. What passes the gate as an exempt path reaches the handler whose route
 * that very path is. Guards that the handler brings itself, such as by `@RequiresMAuth()`, are others and still check.
 */
class ExemptRouteGuard implements CanActivate {
  readonly #guard: CanActivate;
  readonly #authenticator: InboundAuthenticator;

  constructor(guard: CanActivate, authenticator: InboundAuthenticator) {
    this.#guard = guard;
    this.#authenticator = authenticator;
  }

  canActivate(context: ExecutionContext): Verdict {
    const isExempt =
      context.getType<string>() === 'http' &&
      this.#authenticator.isExempt(handlerOf(context), context.getArgByIndex<unknown>(0));
    return isExempt || this.#guard.canActivate(context);
  }
}

/**
 * Refuses nothing: it notes that a handler with `@SignResponse()` was reached. As a global guard it comes before all
 * others, so that their refusals of authentic requests are signed too.
 */
class SignResponseGuard implements CanActivate {
  readonly #responses: ResponseSigning;
  readonly #isSigned = new HandlerCache(isSignResponse);

  constructor(responses: ResponseSigning) {
    this.#responses = responses;
  }

  canActivate(context: ExecutionContext): boolean {
    if (context.getType<string>() === 'http' && this.#isSigned.at(context)) {
      this.#responses.signAlways(nodeRequest(context.getArgByIndex<unknown>(0)));
    }
    return true;
  }
}

export const signResponseGuard: FactoryProvider = {
  provide: APP_GUARD,
  inject: [MAUTH_RESPONSE_SIGNING],
  useFactory: (responses: ResponseSigning) => new SignResponseGuard(responses),
};

const INHERITED_RESTRICTIONS: FactoryProvider = {
  provide: InheritedRestrictionGuard,
  inject: [MAuthGuard, MAUTH_INBOUND_AUTHENTICATOR],
  useFactory: (guard: MAuthGuard, { policies }: InboundAuthenticator) =>
    new InheritedRestrictionGuard(guard, policies),
};

const EXEMPT_ROUTES: FactoryProvider = {
  provide: APP_GUARD,
  inject: [MAuthGuard, MAUTH_INBOUND_AUTHENTICATOR],
  useFactory: (guard: MAuthGuard, authenticator: InboundAuthenticator) =>
    new ExemptRouteGuard(guard, authenticator),
};

const GLOBAL_GUARDS: Readonly<Record<MAuthProtection, readonly Provider[]>> = {
  decorated: [INHERITED_RESTRICTIONS, { provide: APP_GUARD, useExisting: InheritedRestrictionGuard }],
  routes: [{ provide: APP_GUARD, useExisting: MAuthGuard }],
  everything: [EXEMPT_ROUTES],
};

/** The guard that runs in front of every handler, and the one that is brought to message handlers. */
export function globalGuards(protect: MAuthProtection): Provider[] {
  const guard = protect === 'decorated' ? InheritedRestrictionGuard : MAuthGuard;
  const messageGuard: FactoryProvider = {
    provide: MAUTH_MESSAGE_GUARD,
    inject: [MAUTH_NEST],
    useFactory: ({ modules }: NestCore) => laterProvided(modules, guard),
  };
  return [...GLOBAL_GUARDS[protect], messageGuard];
}
