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
 * How much time has passed since then, by whichever clock says more: what is trusted for a while must end although a
 * clock was set back or stood still. A wall clock that was set back counts by how far it is off. One that answers NaN
 * makes the result NaN, for which every comparison is false.
 */
export function elapsedSince({ wall, monotonic }: Moment, wallNow: () => number): number {
  return Math.max(Math.abs(wallNow() - wall), performance.now() - monotonic);
}
