/** A stretch of time in which something is left alone. */
export interface Pause {
  readonly since: number;
  readonly span: number;
}

/** A pause that has always been over. */
export const NEVER: Pause = { since: 0, span: 0 };

/** For as many of its pauses a failure is news: until then it is taken to last, and nobody waits to see it again. */
export const PAUSES_OF_NEWS = 3;

/** Jitter only lengthens, so that what is promised as a minimum is kept. */
const JITTER = 0.2;

/** A pause that begins now. Its jitter keeps instances that failed together from coming back together. */
export function jitteredPause(now: number, span: number): Pause {
  return { since: now, span: span * (1 + JITTER * Math.random()) };
}

/** Whether the pause still lasts; milliseconds. A clock that is set back by more than its span ends it. */
export function lasts(pause: Pause | undefined, now: number): boolean {
  return pause !== undefined && Math.abs(now - pause.since) < pause.span;
}
