const SMALLEST_SLAB = 256;
const LARGEST_SLAB = 64 * 1024;

/**
 * How many bytes may be held at once. The limit is the application's, the count is the process's: two
 * applications in one process share its memory.
 */
export class HeldBytesBudget {
  static #held = 0;

  /** Bytes held now, by all applications of this process. */
  static get held(): number {
    return HeldBytesBudget.#held;
  }

  readonly #limit: number;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether so many more bytes may be held; if so, they count from now on. Bodies that have stalled make room. */
  take(bytes: number): boolean {
    const missing = HeldBytesBudget.#held + bytes - this.#limit;
    if (missing > 0 && !AwaitedBodies.makeRoom(missing)) return false;
    HeldBytesBudget.#held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    HeldBytesBudget.#held -= bytes;
  }
}

/**
 * Bytes of one body, copied together as they come. A chunk of one byte costs a few hundred bytes as an object of
 * its own, and a small chunk may keep a large buffer alive, so chunks are copied into slabs that grow with the
 * body: at most 1.5 times the bytes held are allocated (and 256 bytes for a start).
 */
export class HeldBytes {
  readonly #budget: HeldBytesBudget;
  readonly #onFull: ((slab: Buffer) => void) | undefined;
  readonly #slabs: Buffer[] = [];
  #slab = Buffer.alloc(0);
  #used = 0;
  #copied = 0;
  #length = 0;

  /** @param onFull gets each slab as soon as it is full, but not the last one, which `pieces()` closes */
  constructor(budget: HeldBytesBudget, onFull?: (slab: Buffer) => void) {
    this.#budget = budget;
    this.#onFull = onFull;
  }

  /** Bytes that count against the budget. */
  get length(): number {
    return this.#length;
  }

  /** Copies the chunk; false when the budget is full, and then nothing of it is kept. */
  append(chunk: Uint8Array): boolean {
    if (!this.reserve(chunk.length)) return false;
    const room = this.#slab.length - this.#used;
    if (chunk.length <= room) {
      this.#write(chunk);
    } else {
      if (room > 0) this.#write(chunk.subarray(0, room));
      this.#open(chunk.length - room);
      this.#write(chunk.subarray(room));
    }
    return true;
  }

  /** Counts bytes that are held elsewhere for the same body; false when the budget is full. */
  reserve(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false;
    this.#length += bytes;
    return true;
  }

  /** All bytes in order, without a copy. The last piece ends where the bytes end. */
  pieces(): readonly Buffer[] {
    if (this.#used === 0) return this.#slabs;
    return [...this.#slabs, this.#slab.subarray(0, this.#used)];
  }

  /** The piece that `onFull` did not get, if there is one. */
  lastPiece(): Buffer | undefined {
    return this.#used === 0 ? undefined : this.#slab.subarray(0, this.#used);
  }

  /** Lets go of the bytes, which the caller of this method has now, but goes on counting them. */
  handOver(): readonly Buffer[] {
    const pieces = this.pieces();
    this.#forget();
    return pieces;
  }

  /** Lets go of the bytes and gives their share of the budget back. */
  free(): void {
    this.#budget.giveBack(this.#length);
    this.#length = 0;
    this.#forget();
  }

  #write(bytes: Uint8Array): void {
    this.#slab.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#copied += bytes.length;
  }

  #open(needed: number): void {
    if (this.#used > 0) {
      this.#slabs.push(this.#slab);
      this.#onFull?.(this.#slab);
    }
    const grown = Math.min(Math.max(this.#copied >> 1, SMALLEST_SLAB), LARGEST_SLAB);
    // Not from Node's pool: a slab is freed as a whole, with nothing else in it.
    this.#slab = Buffer.allocUnsafeSlow(Math.max(needed, grown));
    this.#used = 0;
  }

  #forget(): void {
    this.#slabs.splice(0);
    this.#slab = Buffer.alloc(0);
    this.#used = 0;
  }
}

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

  /** The body has come, or is not waited for any more. */
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
