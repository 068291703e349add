import { MOST_TIMES, TurnedAway } from './turned-away.js';
import { ownProperty } from '../protocol/own-properties.js';
import { patientTimer } from './within.js';

/** Known apps have signed a request, or are named in the options; any caller can make up unknown ones. */
export type LookupKind = 'known' | 'unknown';

/** No slot came free in time, or too many were waiting for one. */
export class BulkheadFullError extends Error {}

/** Made once: in a flood, stack traces would cost more than all the rest. */
const NO_SLOT = new BulkheadFullError('No slot came free in time, or too many were waiting for one.');

/** What wants a slot. */
export interface SlotRequest {
  readonly kind: LookupKind;
  /** How long to wait for the slot, in milliseconds. */
  readonly withinMs: number;
  /**
   * The app that asks; so that it goes first when it asks again after it was turned away. For what one app asks once
   * at a time: who asks often would go first for being turned away often.
   */
  readonly returning?: string | undefined;
}

/** Of all slots, the share that unknown apps cannot take. */
const RESERVED_FOR_KNOWN = 0.2;
/**
 * Unknown apps that may wait, for each slot: only as many as get a slot in half of the time that they would wait, if
 * tasks go on taking as long as they do now. Who would wait in vain had better ask again.
 */
const WAITING_PER_SLOT = { least: 1, most: 10 };
/** How much the latest task counts in the mean of how long they take. */
const SHARE_OF_LATEST = 0.1;

/** An unknown app that waits. */
interface Waiter {
  readonly wake: () => void;
  readonly turnAway: () => void;
}

/**
 * Bounds how many look-ups are open at once. A flood of made-up apps can fill the slots of unknown apps and their
 * queue, but never delays a known one: a share of the slots is out of its reach, and known apps go first.
 *
 * Among the unknown ones, those go first that were turned away most often within the last minute. Made-up UUIDs do
 * not come back; and if an attacker makes them come back, each of them takes up a slot once and is known to be unknown
 * then, so an app that goes on asking overtakes them after about as many times as there are questions for one slot.
 */
export class PriorityBulkhead {
  readonly #max: number;
  readonly #maxUnknown: number;
  readonly #turnedAway = new TurnedAway();
  readonly #known = new Set<() => void>();
  /** By how often they were turned away. */
  readonly #unknown = Array.from({ length: MOST_TIMES + 1 }, () => new Set<Waiter>());
  #waitingUnknown = 0;
  /** How long tasks of unknown apps took lately. */
  #meanMs = 0;
  #open: Record<LookupKind, number> = { known: 0, unknown: 0 };

  constructor(max: number) {
    this.#max = max;
    this.#maxUnknown = Math.max(1, max - Math.ceil(max * RESERVED_FOR_KNOWN));
  }

  /**
   * Runs the task once there is a slot for it.
   *
   * @throws NoSlotError when there was none
   */
  async run<T>(request: SlotRequest, task: () => Promise<T>): Promise<T> {
    const { kind } = request;
    if (this.#isFree(kind)) this.#open[kind]++;
    else await (kind === 'known' ? this.#waitKnown(request) : this.#waitUnknown(request));
    const started = performance.now();
    try {
      return await task();
    } finally {
      if (kind === 'unknown') this.#meanMs += SHARE_OF_LATEST * (performance.now() - started - this.#meanMs);
      this.#open[kind]--;
      this.#wakeNext();
    }
  }

  #isFree(kind: LookupKind): boolean {
    const all = this.#open.known + this.#open.unknown;
    return all < this.#max && (kind === 'known' || this.#open.unknown < this.#maxUnknown);
  }

  /** Resolves once the slot is taken on behalf of the waiter. */
  #waitKnown({ withinMs }: SlotRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = patientTimer(withinMs, () => {
        this.#known.delete(wake);
        reject(NO_SLOT);
      });
      const wake = () => {
        cancel();
        resolve();
      };
      this.#known.add(wake);
    });
  }

  /** The same for an unknown app, which may be turned away for others. */
  #waitUnknown(request: SlotRequest): Promise<void> {
    const { withinMs } = request;
    const returning = ownProperty(request, 'returning');
    const rank = returning === undefined ? 0 : this.#turnedAway.times(returning);
    return new Promise((resolve, reject) => {
      const turnAway = () => {
        if (returning !== undefined) this.#turnedAway.note(returning);
        reject(NO_SLOT);
      };
      if (!this.#makeRoom(rank, withinMs)) return turnAway();
      const leave = () => {
        cancel();
        if (this.#unknown[rank]?.delete(waiter)) this.#waitingUnknown--;
      };
      const waiter: Waiter = {
        wake: () => {
          leave();
          if (returning !== undefined && rank > 0) this.#turnedAway.forget(returning);
          resolve();
        },
        turnAway: () => {
          leave();
          turnAway();
        },
      };
      const cancel = patientTimer(withinMs, waiter.turnAway);
      this.#unknown[rank]?.add(waiter);
      this.#waitingUnknown++;
    });
  }

  /** Whether one more of this rank may wait; another one of a lower rank may have to go for it, the latest first. */
  #makeRoom(rank: number, withinMs: number): boolean {
    const { least, most } = WAITING_PER_SLOT;
    const inTime = Math.min(most, Math.max(least, withinMs / this.#meanMs / 2));
    if (this.#waitingUnknown < Math.floor(this.#maxUnknown * inTime)) return true;
    const lowest = this.#unknown.findIndex((waiters) => waiters.size > 0);
    if (lowest >= rank) return false;
    [...(this.#unknown[lowest] ?? [])].at(-1)?.turnAway();
    return true;
  }

  #wakeNext(): void {
    const [known] = this.#known;
    if (known && this.#isFree('known')) {
      this.#known.delete(known);
      this.#open.known++;
      return known();
    }
    if (this.#waitingUnknown === 0 || !this.#isFree('unknown')) return;
    const [unknown] = this.#unknown.findLast((waiters) => waiters.size > 0) ?? [];
    if (!unknown) return;
    this.#open.unknown++;
    unknown.wake();
  }
}
