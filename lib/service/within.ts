/** The time was over before the operation had an outcome. */
export class TimedOutError extends Error {}

/**
 * Calls back once the time is over and what has arrived until then has been read. In a process that is so busy that
 * its timers are late, an answer may be there and not read yet: Node looks at timers first. To give up then would make
 * a busy process take every service that it asks for one that is down.
 *
 * @returns cancels it
 */
export function patientTimer(milliseconds: number, callback: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (immediate = setImmediate(callback)), milliseconds);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/**
 * The outcome of the operation, if it comes in time.
 *
 * @param operation gets a signal that is aborted when its outcome is not waited for any more
 * @param ending ends the wait early, with its reason
 * @throws TimedOutError; the error of the operation
 */
export async function within<T>(
  milliseconds: number,
  operation: (signal: AbortSignal) => T | PromiseLike<T>,
  ending?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  let giveUp: (reason: Error) => void = () => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = (reason) => {
      controller.abort(reason);
      reject(reason);
    };
  });
  const end = () => giveUp(ending?.reason as Error);
  const cancel = patientTimer(milliseconds, () => giveUp(new TimedOutError()));
  ending?.addEventListener('abort', end);
  try {
    if (ending?.aborted) throw ending.reason;
    return await Promise.race([operation(controller.signal), givenUp]);
  } finally {
    cancel();
    ending?.removeEventListener('abort', end);
  }
}
