import { ownProperty } from '../protocol/own-properties.js';

/** A value that is at hand, or a promise of it: what is at hand costs no turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Goes on with a value now if it is at hand, and else when it comes.
 *
 * @param value made by this package, so that its `then` can be relied on
 */
export function andThen<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** By what its class can do: a library may have put one of its own in the place of `Promise`. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof ownProperty(value as { then?: unknown } | undefined, 'then') === 'function';
}
