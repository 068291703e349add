import 'reflect-metadata';
import { ownProperties } from '../protocol/own-properties.js';

/** Who may call a handler, beyond being authentic. */
export interface RequiresMAuthOptions {
  /** UUIDs of apps, or their names from the option `apps`; others get 403. Default: every authentic app. */
  apps?: readonly string[];
  /** Largest body that is held until it is verified, in bytes; above it 413. Default `body.maxHeldBytes`. */
  maxBodyBytes?: number;
}

/** What the decorators wrote on one class or one method. */
export interface AccessMarks {
  /** One entry for each `@RequiresMAuth()`, from the lowest up. */
  readonly requires?: readonly RequiresMAuthOptions[] | undefined;
  readonly public?: true | undefined;
  readonly optional?: true | undefined;
}

/** Any class; its constructor's parameters do not matter. */
export type AnyClass = abstract new (...parameters: never[]) => unknown;

// Plain names, not unique ones: the package exists as CommonJS and as ES modules, and a decorator of one copy must
// be seen by the guard of the other.
const MARKS = 'nestjs-mauth:access';
const GUARDED = 'nestjs-mauth:guarded';

/**
 * A decorator that adds to the marks of a class or method.
 *
 * A method's marks are kept under its class and name, not on the function: so they outlive a decorator that puts
 * another function in its place, and an overriding method can be seen to override.
 */
export function marks(added: AccessMarks): ClassDecorator & MethodDecorator {
  return (target: object, key?: string | symbol) => {
    const before = marksOf(target, key);
    const more = ownProperties(added);
    const requires = [...(before.requires ?? []), ...(more.requires ?? [])];
    const after = ownProperties({ ...before, ...more, ...(requires.length > 0 && { requires }) });
    if (key === undefined) Reflect.defineMetadata(MARKS, after, target);
    else Reflect.defineMetadata(MARKS, after, target, key);
  };
}

/** What is written on this very class, or on this very method of a prototype; nothing of what they inherit. */
export function marksOf(target: object, key?: string | symbol): AccessMarks {
  const found: unknown =
    key === undefined ? Reflect.getOwnMetadata(MARKS, target) : Reflect.getOwnMetadata(MARKS, target, key);
  const { requires, ...others } = ownProperties((found ?? {}) as AccessMarks);
  return ownProperties({ ...others, requires: requires?.map(ownProperties) });
}

/** A decorator that records that the guard was brought along; Nest keeps its own record in the same places. */
export function marksGuarded(): ClassDecorator & MethodDecorator {
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor) => {
    Reflect.defineMetadata(GUARDED, true, descriptor ? (descriptor.value as object) : target);
  };
}

/** Whether a decorator of ours brought the guard to the handler. Like Nest, it looks at parent classes too. */
export function isGuarded(controller: AnyClass, handler: object): boolean {
  return Reflect.getMetadata(GUARDED, handler) === true || Reflect.getMetadata(GUARDED, controller) === true;
}
