import { type ExecutionContext } from '@nestjs/common';
import 'reflect-metadata';
import { MAuthConfigurationError } from '../config/errors.js';
import { isAppUuid } from '../protocol/headers.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

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

/** The metadata that decorators wrote on one class or one method. */
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

/** The metadata on this very class, or on this very method of a prototype; nothing of what they inherit. */
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

/** The policy that the decorators ask for at one handler. */
export class AccessPolicy {
  constructor(
    /**
     * `public`: nothing is looked at. `optional`: requests without authentication headers pass. `required`: nothing
     * but authentic requests passes.
     */
    readonly access: 'public' | 'optional' | 'required',
    /** Whether decorators ask for authentication here; where not, `protect` decides whether the guard runs at all. */
    readonly isDeclared: boolean,
    /** UUIDs in lower case; undefined = every authentic app. */
    readonly apps?: ReadonlySet<string>,
    readonly maxBodyBytes: number | undefined = undefined,
  ) {}
}

/** Names for app UUIDs, as in the option `apps`. */
export type AppNames = Readonly<Record<string, string>>;

/** A value that is read of the decorators at each handler, once: decorators do not change. */
export class HandlerCache<Value extends object | boolean> {
  readonly #values = new WeakMap<object, WeakMap<object, Value>>();
  readonly #read: (place: HandlerPlace) => Value;

  constructor(read: (place: HandlerPlace) => Value) {
    this.#read = read;
  }

  /**
   * What was read at the handler that a guard stands in front of.
   *
   * @throws what `read` throws
   */
  at(context: ExecutionContext): Value {
    const value = this.#values.get(context.getClass<AnyClass>())?.get(context.getHandler());
    return value ?? this.of(handlerOf(context));
  }

  /** @throws what `read` throws */
  of(place: HandlerPlace): Value {
    const { controller, handler } = place;
    let ofController = this.#values.get(controller);
    if (!ofController) this.#values.set(controller, (ofController = new WeakMap()));
    let value = ofController.get(handler);
    if (value === undefined) ofController.set(handler, (value = this.#read(place)));
    return value;
  }
}

/** The policies of all handlers; `of` throws as `accessPolicyOf`. */
export type AccessPolicies = HandlerCache<AccessPolicy>;

/**
 * Reads the decorators at a handler, of its class, and of their parents.
 *
 * Restrictions (`@RequiresMAuth`) come from every parent class and from every method that the handler overrides:
 * methods beat classes, and children beat parents, option by option. Relaxations (`@Public`, `@OptionalMAuth`) count
 * only on the handler's own method and on its own class: their author, at a parent, saw no handlers but that parent's.
 * For the same reason a subclass that says `@RequiresMAuth()` itself closes methods that its parents relaxed.
 *
 * @throws MAuthConfigurationError that names controller, handler and remedy
 */
export function accessPolicyOf(place: HandlerPlace, names: AppNames = {}): AccessPolicy {
  const lineage = lineageOf(place.controller);
  if (!lineage.some(isDecorated)) return new AccessPolicy('required', false);
  const { key, declaredBy } = declarationOf(place, lineage);
  const onClasses = lineage.map((ancestor) => checked(accessOn(ancestor), ancestor.name));
  const onMethods = lineage.map(({ prototype, name }) =>
    checked(accessOn(prototype as object, key), `${name}.${key}`),
  );

  const isClosedAgain = onClasses.slice(0, declaredBy).some(({ requires }) => requires);
  const relaxation =
    (!isClosedAgain && relaxationIn(onMethods[declaredBy])) ||
    (!onMethods.some(({ requires }) => requires) && relaxationIn(onClasses[0])) ||
    undefined;
  if (relaxation === 'public') return new AccessPolicy('public', false);

  const written = [...onMethods, ...onClasses].flatMap(({ requires = [] }) => requires.toReversed());
  const apps = firstOf('apps', written);
  return new AccessPolicy(
    relaxation ?? 'required',
    relaxation !== undefined || written.length > 0,
    apps && new Set(apps.map((app) => appUuidOf(app, names, `${place.controller.name}.${key}`))),
    firstOf('maxBodyBytes', written),
  );
}

/** The class and its parents, the class itself first. */
function lineageOf(controller: AnyClass): AnyClass[] {
  const lineage: AnyClass[] = [];
  for (let one: unknown = controller; typeof one === 'function' && one !== Function.prototype;) {
    lineage.push(one as AnyClass);
    one = Object.getPrototypeOf(one);
  }
  return lineage;
}

/** Whether any decorator of ours is on the class or on one of its own methods. */
function isDecorated(one: AnyClass): boolean {
  const prototype = one.prototype as object;
  const written = [
    accessOn(one),
    ...Object.getOwnPropertyNames(prototype).map((key) => accessOn(prototype, key)),
  ];
  return written.some(({ requires, public: isPublic, optional }) => requires ?? isPublic ?? optional);
}

/** Under which name the handler is declared, and by which class of the lineage. */
function declarationOf({ controller, handler }: HandlerPlace, lineage: readonly AnyClass[]) {
  const key = nameOf(handler, lineage);
  const declaredBy = lineage.findIndex(({ prototype }) => key && Object.hasOwn(prototype as object, key));
  if (key && declaredBy >= 0) return { key, declaredBy };
  throw new MAuthConfigurationError(
    `MAuth cannot tell which method of ${controller.name} is about to run (the function is named "${handler.name}"), ` +
      'so it cannot read the decorators there. Make it a method of the class.',
  );
}

function nameOf(handler: HandlerPlace['handler'], lineage: readonly AnyClass[]): string {
  for (const { prototype } of lineage) {
    const methods = Object.entries(Object.getOwnPropertyDescriptors(prototype as object));
    const found = methods.find(([, descriptor]) => ownProperty(descriptor, 'value') === handler);
    if (found) return found[0];
  }
  // Something has put a wrapper of the same name around the method after the class was made.
  return handler.name;
}

function relaxationIn(written: AccessMetadata | undefined): 'public' | 'optional' | undefined {
  return written?.public ? 'public' : written?.optional ? 'optional' : undefined;
}

function firstOf<K extends keyof RequiresMAuthOptions>(option: K, written: readonly RequiresMAuthOptions[]) {
  return written.find((options) => options[option] !== undefined)?.[option];
}

function checked(written: AccessMetadata, place: string): AccessMetadata {
  const { requires = [], optional, public: isPublic } = written;
  const names = [
    isPublic && '@Public()',
    optional && '@OptionalMAuth()',
    requires.length && '@RequiresMAuth()',
  ];
  const contradicting = names.filter(Boolean);
  if (contradicting.length > 1)
    throw wrong(place, `carries ${contradicting.join(' and ')}; keep one of them.`);
  if (requires.filter(({ apps }) => apps).length > 1) {
    throw wrong(place, 'names `apps` in more than one @RequiresMAuth(); put all of them into one.');
  }
  for (const { apps, maxBodyBytes } of requires) {
    if (apps && !(Array.isArray(apps) && apps.length > 0)) {
      throw wrong(
        place,
        'carries @RequiresMAuth() with an empty `apps`; name the apps, or leave `apps` out.',
      );
    }
    if (maxBodyBytes !== undefined && !(Number.isSafeInteger(maxBodyBytes) && maxBodyBytes >= 0)) {
      throw wrong(place, 'carries @RequiresMAuth() whose `maxBodyBytes` is not a whole number of bytes.');
    }
  }
  return written;
}

function appUuidOf(app: string, names: AppNames, place: string): string {
  const uuid = Object.hasOwn(names, app) ? names[app] : app;
  if (isAppUuid(uuid)) return uuid.toLowerCase();
  const known = Object.keys(names).join(', ') || 'none';
  throw wrong(
    place,
    `is for the app ${JSON.stringify(app)}, which is neither a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e ` +
      `nor a name of the option \`apps\` (known: ${known}); correct it or add the name.`,
  );
}

function wrong(place: string, remedy: string): MAuthConfigurationError {
  return new MAuthConfigurationError(`${place} ${remedy}`);
}
