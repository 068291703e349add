import { type MAuthReplayStore } from '../config/options.js';

/**
 * Remembers in this process. All entries live equally long, so a Map, which keeps the order of insertion, has those
 * that end first in front. A cache that made room by forgetting would accept again what it forgot; this one refuses
 * to remember more, and the request is then undecided.
 *
 * It counts by the monotonic clock: the wall clock can be set forward, which would end every entry, and then back,
 * which would make the times of those requests acceptable again.
 */
export class ReplayMemory implements MAuthReplayStore {
  readonly #ends = new Map<string, number>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** @throws Error when no more can be remembered */
  remember(key: string, milliseconds: number): boolean {
    const now = performance.now();
    this.#forgetEnded(now);
    if (this.#ends.has(key)) return false;
    if (this.#ends.size >= this.#maxEntries) {
      throw new Error('`replayProtection.maxEntries` signatures are remembered already; raise it.');
    }
    this.#ends.set(key, now + milliseconds);
    return true;
  }

  #forgetEnded(now: number): void {
    for (const [key, end] of this.#ends) {
      if (end > now) return;
      this.#ends.delete(key);
    }
  }
}
