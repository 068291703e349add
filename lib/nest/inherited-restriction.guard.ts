import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { isGuarded, type AnyClass } from './access-metadata.js';
import { type AccessPolicies } from './access-policies.js';

/**
 * With `protect: 'decorated'` handlers are guarded by the guard that their decorators bring. Nest keeps that record on
 * the function, so a method that overrides a protected one, or that another decorator has replaced, would be left
 * without. This guard runs everywhere and steps in at such handlers, and nowhere else.
 */
export class InheritedRestrictionGuard implements CanActivate {
  readonly #guard: CanActivate;
  readonly #policies: AccessPolicies;

  constructor(guard: CanActivate, policies: AccessPolicies) {
    this.#guard = guard;
    this.#policies = policies;
  }

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    const controller = context.getClass<AnyClass>() as AnyClass;
    const handler = context.getHandler();
    if (isGuarded(controller, handler) || !this.#policies.of({ controller, handler }).isAsked) return true;
    return this.#guard.canActivate(context);
  }
}
