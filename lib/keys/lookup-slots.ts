/** Known apps have keys in the cache, or are on the warm-up list; anybody can make up unknown ones. */
export type LookupKind = 'known' | 'unknown';

/** No slot came free in time, or too many were waiting for one. */
export class NoSlotError extends Error {}

/** Of all slots, the share that unknown apps cannot take. */
const RESERVED_FOR_KNOWN = 0.2;
/** Unknown apps that may wait, for each slot. */
const WAITING_PER_SLOT = 10;

/**
 * Bounds how many look-ups are open at once. A flood of made-up apps can fill the slots of unknown apps and their
 * queue, but never delays a known one: a share of the slots is out of its reach, and known apps go first.
 */
export class LookupSlots {
  readonly #max: number;
  readonly #maxUnknown: number;
  readonly #waiting: Record<LookupKind, Set<() => void>> = { known: new Set(), unknown: new Set() };
  #open: Record<LookupKind, number> = { known: 0, unknown: 0 };

  constructor(max: number) {
    this.#max = max;
    this.#maxUnknown = Math.max(1, max - Math.ceil(max * RESERVED_FOR_KNOWN));
  }

  /**
   * Runs the task once there is a slot for it.
   *
   * @param withinMs how long to wait for the slot
   * @throws NoSlotError when there was none
   */
  async run<T>(kind: LookupKind, withinMs: number, task: () => Promise<T>): Promise<T> {
    if (this.#isFree(kind)) this.#open[kind]++;
    else await this.#wait(kind, withinMs);
    try {
      return await task();
    } finally {
      this.#open[kind]--;
      this.#wakeNext();
    }
  }

  #isFree(kind: LookupKind): boolean {
    const all = this.#open.known + this.#open.unknown;
    return all < this.#max && (kind === 'known' || this.#open.unknown < this.#maxUnknown);
  }

  /** Resolves once the slot is taken on behalf of the waiter. */
  #wait(kind: LookupKind, withinMs: number): Promise<void> {
    const queue = this.#waiting[kind];
    if (kind === 'unknown' && queue.size >= this.#maxUnknown * WAITING_PER_SLOT) {
      return Promise.reject(new NoSlotError());
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.delete(wake);
        reject(new NoSlotError());
      }, withinMs);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      queue.add(wake);
    });
  }

  #wakeNext(): void {
    for (const kind of ['known', 'unknown'] as const) {
      const [wake] = this.#waiting[kind];
      if (!wake || !this.#isFree(kind)) continue;
      this.#waiting[kind].delete(wake);
      this.#open[kind]++;
      wake();
      return;
    }
  }
}
