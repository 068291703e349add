import { elapsedSince, moment, type Moment } from './moment.js';

/** A stretch of time in which something is left alone. */
export interface Pause {
  readonly since: Moment;
  /** Milliseconds. */
  readonly span: number;
}

/** For as many of its pauses a failure is news: until then it is taken to last, and nobody waits to see it again. */
const PAUSES_OF_NEWS = 3;

/** Jitter only lengthens, so that what is promised as a minimum is kept. */
const JITTER = 0.2;

/** A pause that begins now. Its jitter keeps instances that failed together from coming back together. */
export function jitteredPause(wallNow: () => number, span: number): Pause {
  return { since: moment(wallNow), span: span * (1 + JITTER * Math.random()) };
}

/** Whether the pause still lasts. */
export function lasts(pause: Pause | undefined, wallNow: () => number): boolean {
  return pause !== undefined && elapsedSince(pause.since, wallNow) < pause.span;
}

/** Whether what the pause was for is still news: it may have ended, but nobody has seen whether anything has changed. */
export function isNews(pause: Pause | undefined, wallNow: () => number): boolean {
  return lasts(pause && { since: pause.since, span: pause.span * PAUSES_OF_NEWS }, wallNow);
}
