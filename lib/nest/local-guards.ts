import 'reflect-metadata';
import { isGuarded, type HandlerPlace } from './access-policy.js';
import { isMAuthGuard } from './application-guard.js';

// What @UseGuards() writes.
const GUARDS = '__guards__';

/** The classes that `@UseGuards()` names at a handler and at its class. */
export function localGuards({ controller, handler }: HandlerPlace): unknown[] {
  const written = [controller, handler].flatMap(
    (target) => (Reflect.getMetadata(GUARDS, target) ?? []) as unknown[],
  );
  return written.map((guard) => (typeof guard === 'object' ? classOf(guard) : guard));
}

/** Whether a decorator brings the guard: one of ours, or `@UseGuards(MAuthGuard)`. */
export function isGuardedLocally(place: HandlerPlace): boolean {
  return isGuarded(place) || localGuards(place).some(isMAuthGuard);
}

/** The class of an object. */
export function classOf(instance: unknown): unknown {
  return (instance as object | null | undefined)?.constructor;
}
