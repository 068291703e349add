/** A value that is there, or a promise of it. A value that is there costs no turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/** Asks what its class can do: a library may have put a class of its own in the place of `Promise`. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | null | undefined)?.then === 'function';
}
