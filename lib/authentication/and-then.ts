/** A value that is at hand, or a promise of it: what is at hand costs no turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Goes on with a value now if it is at hand, and else when it comes.
 *
 * @param value made by this package: a user's promise may be of another make, and would not be waited for
 */
export function andThen<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
