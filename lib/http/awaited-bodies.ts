const TICK_MS = 100;
/** A whole second between the tick in which a byte came and this one. */
const STALLED_AFTER_TICKS = 1000 / TICK_MS + 1;

/** A body that has not come as a whole, while the bytes that have come count against the budget. */
export interface AwaitedBody {
  /** How many bytes would be free without it. */
  readonly countedBytes: number;
  /** Whether it is the sender who keeps us waiting, and not the application, which does not read. */
  isSenderLate(): boolean;
  /** Refuses it and lets go of its bytes. */
  giveUp(): void;
}

/**
 * All bodies of this process that are awaited, those first whose last byte came longest ago. Where there is no room
 * for a body that goes on, those make room that have stalled: no byte came for a second or more. One that goes on is
 * never given up for another.
 *
 * Time is counted in ticks of the event loop, not read from a clock: while the loop is busy with something else, no
 * body can go on, and none is late for that.
 */
export class AwaitedBodies {
  static readonly #lastTicks = new Map<AwaitedBody, number>();
  static #ticks = 0;
  static #timer: NodeJS.Timeout | undefined;

  /** From now on the body is awaited, or a byte of it has come. */
  static goesOn(body: AwaitedBody): void {
    const bodies = AwaitedBodies.#lastTicks;
    if (bodies.get(body) === AwaitedBodies.#ticks) return;
    if (bodies.size === 0) AwaitedBodies.#startTicking();
    bodies.delete(body);
    bodies.set(body, AwaitedBodies.#ticks);
  }

  /** The body has come, or nobody waits for it any more. */
  static isOver(body: AwaitedBody): void {
    AwaitedBodies.#lastTicks.delete(body);
  }

  /** Whether stalled bodies have made room for so many bytes; if they cannot, none is given up. */
  static makeRoom(bytes: number): boolean {
    const stalled: AwaitedBody[] = [];
    let room = 0;
    for (const [body, lastTick] of AwaitedBodies.#lastTicks) {
      if (room >= bytes || AwaitedBodies.#ticks - lastTick < STALLED_AFTER_TICKS) break;
      if (body.isSenderLate()) {
        stalled.push(body);
        room += body.countedBytes;
      } else AwaitedBodies.goesOn(body);
    }
    if (room < bytes) return false;
    for (const body of stalled) body.giveUp();
    return true;
  }

  static #startTicking(): void {
    clearInterval(AwaitedBodies.#timer);
    AwaitedBodies.#timer = setInterval(() => {
      AwaitedBodies.#ticks++;
      if (AwaitedBodies.#lastTicks.size === 0) clearInterval(AwaitedBodies.#timer);
    }, TICK_MS).unref();
  }
}
