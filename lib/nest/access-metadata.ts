import 'reflect-metadata';
import { type ExecutionContext } from '@nestjs/common';
import { ownProperties } from '../protocol/own-properties.js';

/** Which apps may call a handler, and how large their bodies may be. */
export interface RequiresMAuthOptions {
  /**
   * UUIDs of apps, or their names from the option `apps`; authentic requests of other apps get 403. An empty list, a
   * malformed UUID or an unknown name stops the start. Default: every authentic app.
   */
  apps?: readonly string[];
  /** Largest body that is held until it is verified, in bytes; above it 413. Default `body.maxHeldBytes`. */
  maxBodyBytes?: number;
}

/** What the decorators wrote on one class or one method. */
export interface AccessMetadata {
  /** One entry for each `@RequiresMAuth()`, from the lowest up. */
  readonly requires?: readonly RequiresMAuthOptions[] | undefined;
  readonly public?: true | undefined;
  readonly optional?: true | undefined;
}

/** Any class; its constructor's parameters do not matter. */
export type AnyClass = abstract new (...parameters: never[]) => unknown;

/** A handler as Nest names it: a class and one of its methods. */
export interface HandlerPlace {
  readonly controller: AnyClass;
  readonly handler: object & { readonly name: string };
}

/** The handler that a guard stands in front of. */
export function handlerOf(context: ExecutionContext): HandlerPlace {
  return { controller: context.getClass<AnyClass>(), handler: context.getHandler() };
}

// Plain names, not unique ones: the package exists as CommonJS and as ES modules, and a decorator of one copy must
// be seen by the guard of the other.
const ACCESS = 'nestjs-mauth:access';
const GUARDED = 'nestjs-mauth:guarded';
const SIGN_RESPONSE = 'nestjs-mauth:sign-response';

/**
 * A decorator that adds to the access metadata of a class or method.
 *
 * A method's metadata is kept under its class and name, not on the function: so it outlives a decorator that puts
 * another function in its place, and an overriding method can be seen to override.
 */
export function addAccess(added: AccessMetadata): ClassDecorator & MethodDecorator {
  return (target: object, key?: string | symbol) => {
    const before = accessOn(target, key);
    const more = ownProperties(added);
    const requires = [...(before.requires ?? []), ...(more.requires ?? [])];
    const after = ownProperties({ ...before, ...more, ...(requires.length > 0 && { requires }) });
    if (key === undefined) Reflect.defineMetadata(ACCESS, after, target);
    else Reflect.defineMetadata(ACCESS, after, target, key);
  };
}

/** What is written on this very class, or on this very method of a prototype; nothing of what they inherit. */
export function accessOn(target: object, key?: string | symbol): AccessMetadata {
  const found: unknown =
    key === undefined ? Reflect.getOwnMetadata(ACCESS, target) : Reflect.getOwnMetadata(ACCESS, target, key);
  const { requires, ...others } = ownProperties((found ?? {}) as AccessMetadata);
  return ownProperties({ ...others, requires: requires?.map(ownProperties) });
}

/** A decorator that records that the guard was brought along; Nest keeps its own record in the same places. */
export function recordGuard(): ClassDecorator & MethodDecorator {
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor) => {
    Reflect.defineMetadata(GUARDED, true, descriptor ? (descriptor.value as object) : target);
  };
}

/** Whether a decorator of ours brought the guard to the handler. Like Nest, it looks at parent classes too. */
export function isGuarded({ controller, handler }: HandlerPlace): boolean {
  return Reflect.getMetadata(GUARDED, handler) === true || Reflect.getMetadata(GUARDED, controller) === true;
}

/** A decorator that has responses signed. */
export function recordSigning(): ClassDecorator & MethodDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    if (key === undefined) {
      Reflect.defineMetadata(SIGN_RESPONSE, true, target);
      return;
    }
    Reflect.defineMetadata(SIGN_RESPONSE, true, target, key);
    // Found there too when a decorator has given the method another name.
    if (descriptor) Reflect.defineMetadata(SIGN_RESPONSE, true, descriptor.value as object);
  };
}

/** Whether responses are signed: by the handler, by a method that it overrides, by its class or a parent of that. */
export function isSignResponse({ controller, handler }: HandlerPlace): boolean {
  return (
    Reflect.hasMetadata(SIGN_RESPONSE, handler) ||
    Reflect.hasMetadata(SIGN_RESPONSE, controller) ||
    Reflect.hasMetadata(SIGN_RESPONSE, controller.prototype as object, handler.name)
  );
}
