/**
 * Both clocks of this process under the test's control: that of the wall, which somebody may set, and the monotonic
 * one, which only goes on. Sockets, timers and the thread pool stay real. To be ended by `jest.useRealTimers()`.
 */
export class FakeClocks {
  /** @param wall milliseconds since 1970; default: now */
  constructor(wall = Date.now()) {
    jest.useFakeTimers({
      now: wall,
      doNotFake: [
        'clearImmediate',
        'clearInterval',
        'clearTimeout',
        'hrtime',
        'nextTick',
        'queueMicrotask',
        'setImmediate',
        'setInterval',
        'setTimeout',
      ],
    });
  }

  /** Time passes: both clocks go on. */
  advance(seconds: number): void {
    jest.advanceTimersByTime(seconds * 1000);
  }

  /** The clock of the wall is set forward, or back; no time passes. */
  setWallClock(bySeconds: number): void {
    jest.setSystemTime(Date.now() + bySeconds * 1000);
  }
}
