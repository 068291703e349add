import { isNews, jitteredPause, lasts, type Pause } from './cooldown.js';

/** One app's record alone may be broken in the service; this many apps in a row mean that the service is. */
const APPS_UNTIL_DOWN = 3;

/**
 * Notices that the MAuth service is down, so that it is left alone about every app, and nobody waits for it in
 * vain. After the cool-down one look-up goes through; its outcome decides.
 */
export class ServiceHealth {
  readonly #now: () => number;
  readonly #cooldownMs: number;
  readonly #failing = new Set<string>();
  #pause: Pause | undefined;
  #isProbing = false;

  constructor(now: () => number, cooldownMs: number) {
    this.#now = now;
    this.#cooldownMs = cooldownMs;
  }

  /** Whether the service may be asked now. */
  get mayAsk(): boolean {
    return !this.#isTripped || (!this.#isProbing && !lasts(this.#pause, this.#now));
  }

  /** Whether the service was down when it was last asked, and that is not long ago: nobody need wait for it. */
  get isDown(): boolean {
    return this.#isTripped && isNews(this.#pause, this.#now);
  }

  get #isTripped(): boolean {
    return this.#failing.size >= APPS_UNTIL_DOWN;
  }

  asked(): void {
    if (this.#isTripped) this.#isProbing = true;
  }

  /** Any answer, also a bad one, shows that the service is there. */
  answered(): void {
    this.#failing.clear();
    this.#isProbing = false;
  }

  failed(appUuid: string): void {
    if (!this.#isTripped) this.#failing.add(appUuid);
    if (this.#isTripped) this.#pause = jitteredPause(this.#now, this.#cooldownMs);
    this.#isProbing = false;
  }
}
