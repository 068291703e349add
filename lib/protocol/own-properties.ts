/*
 * A faulty merge somewhere in a process can write to `Object.prototype` ("prototype pollution"), and then every object
 * seems to have what was written there: a mark `public`, an option, a member of an answer. So everything that decides is
 * asked for what it has itself.
 */

/**
 * A property of the object itself or of its class; what `Object.prototype` has does not count.
 *
 * @param object undefined is answered for anything that is no object
 */
export function ownProperty<T, K extends keyof NonNullable<T>>(
  object: T,
  name: K,
): NonNullable<T>[K] | undefined;
export function ownProperty(object: unknown, name: string): unknown;
export function ownProperty(object: unknown, name: PropertyKey): unknown {
  if (object === null || (typeof object !== 'object' && typeof object !== 'function')) return undefined;
  // Nearly always there is nothing of that name on `Object.prototype`, and no need to look further.
  return name in Object.prototype && !isItsOwn(object, name)
    ? undefined
    : (object as Readonly<Record<PropertyKey, unknown>>)[name];
}

/** A copy of an object that is to be taken apart: what it has itself, and nothing inherited. */
export function ownProperties<T>(object: T): NonNullable<T> {
  // Text would be taken apart into its characters.
  const isObject = typeof object === 'object' || typeof object === 'function';
  return { __proto__: null, ...(isObject && object) } as unknown as NonNullable<T>;
}

/** Whether the object or one of its prototypes has it, but the last of them. */
function isItsOwn(object: object, name: PropertyKey): boolean {
  if (Object.hasOwn(object, name)) return true;
  const parent = Object.getPrototypeOf(object) as object | null;
  return parent !== null && Object.getPrototypeOf(parent) !== null && isItsOwn(parent, name);
}
