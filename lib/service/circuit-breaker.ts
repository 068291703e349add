import { Cooldown } from './cooldown.js';

/** One app's record alone may be broken in the service; this many apps in a row mean that the service is. */
const APPS_UNTIL_OPEN = 3;

/**
 * Notices that the MAuth service is down, so that it is left alone about every app, and no request waits for it in
 * vain. After the cool-down one question goes through (half-open); its outcome decides.
 */
export class CircuitBreaker {
  readonly #now: () => number;
  readonly #cooldownMs: number;
  /** Apps about which the last question failed, without an answer to any question in between. */
  readonly #failing = new Set<string>();
  #cooldown: Cooldown | undefined;
  #isProbing = false;

  constructor(now: () => number, cooldownMs: number) {
    this.#now = now;
    this.#cooldownMs = cooldownMs;
  }

  /** `open`: the service is not asked. `half-open`: one question may see whether it is back. */
  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#failing.size < APPS_UNTIL_OPEN) return 'closed';
    return this.#isProbing || this.#cooldown?.lasts ? 'open' : 'half-open';
  }

  /** Whether the service was down when it was last asked, and that is not long ago: no request need wait for it. */
  get isDown(): boolean {
    return this.#failing.size >= APPS_UNTIL_OPEN && this.#cooldown?.isRecent === true;
  }

  asked(): void {
    if (this.state !== 'closed') this.#isProbing = true;
  }

  /** Any answer, also a bad one, shows that the service is there. */
  answered(): void {
    this.#failing.clear();
    this.#isProbing = false;
  }

  failed(appUuid: string): void {
    if (this.#failing.size < APPS_UNTIL_OPEN) this.#failing.add(appUuid);
    if (this.#failing.size >= APPS_UNTIL_OPEN)
      this.#cooldown = Cooldown.jittered(this.#now, this.#cooldownMs);
    this.#isProbing = false;
  }
}
