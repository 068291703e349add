/**
 * A point in time by two clocks, in milliseconds. The wall clock may be set, and then tells of too much time or of too
 * little; the monotonic one cannot be set, but stands still while the process or its machine is frozen.
 */
export interface Moment {
  /** Since 1970. */
  readonly wall: number;
  /** Since some moment of this process's own. */
  readonly monotonic: number;
}

/** @param wallNow the wall clock: the option `now` */
export function moment(wallNow: () => number): Moment {
  return { wall: wallNow(), monotonic: performance.now() };
}

/** A point in time that another process noted by its wall clock, as long ago here as it is by ours. */
export function momentOf(wall: number, wallNow: () => number): Moment {
  return { wall, monotonic: performance.now() - Math.abs(wallNow() - wall) };
}

/**
 * How much time has passed since then, by the clock that says more: what is trusted for a while must end although a
 * clock was set back or stood still. A wall clock that was set back counts by how far it is off. One that answers NaN
 * makes the result NaN, for which every comparison is false.
 */
export function elapsedSince({ wall, monotonic }: Moment, wallNow: () => number): number {
  return Math.max(Math.abs(wallNow() - wall), performance.now() - monotonic);
}

/** A failure is recent for so many of its cool-downs: until then it is taken to last, and requests do not wait for it. */
const COOLDOWNS_OF_RECENT = 3;

/** Jitter only lengthens, so that what is promised as a minimum is kept. */
const JITTER = 0.2;

/** A stretch of time in which something is left alone. It begins when it is made. */
export class Cooldown {
  readonly #now: () => number;
  readonly #since: Moment;
  readonly #span: number;

  /**
   * @param now the option `now`
   * @param span in milliseconds
   */
  constructor(now: () => number, span: number) {
    this.#now = now;
    this.#since = moment(now);
    this.#span = span;
  }

  /** With jitter, which keeps instances that failed together from coming back together. */
  static jittered(now: () => number, span: number): Cooldown {
    return new Cooldown(now, span * (1 + JITTER * Math.random()));
  }

  /** Whether it goes on. */
  get lasts(): boolean {
    return elapsedSince(this.#since, this.#now) < this.#span;
  }

  /** Whether it goes on, or ended a short while ago: nothing has been seen yet to have changed. */
  get isRecent(): boolean {
    return elapsedSince(this.#since, this.#now) < this.#span * COOLDOWNS_OF_RECENT;
  }
}
