import fc from 'fast-check';
import { AwaitedBodies, type AwaitedBody, HeldBytes, HeldBytesBudget } from '../../lib/http/held-bytes.js';
const LIMIT = 1000;
const SECOND = 1000;
/** Time is looked at as often as this. */
const TICK = 100;

class Body implements AwaitedBody {
  readonly held: HeldBytes;
  lastByteAt = 0;
  isGivenUp = false;
  isLate = true;

  constructor(
    budget: HeldBytesBudget,
    private readonly givenUp: Body[],
  ) {
    this.held = new HeldBytes(budget);
  }

  get countedBytes(): number {
    return this.held.length;
  }

  isSenderLate(): boolean {
    return this.isLate;
  }

  giveUp(): void {
    this.isGivenUp = true;
    this.givenUp.push(this);
    this.end();
  }

  /** Whether there was room. */
  receive(bytes: number): boolean {
    this.lastByteAt = Date.now();
    AwaitedBodies.goesOn(this);
    const isKept = this.held.append(Buffer.alloc(bytes));
    if (!isKept) this.end();
    return isKept;
  }

  end(): void {
    AwaitedBodies.isOver(this);
    this.held.free();
  }
}

/** All that happens in one run. */
class World {
  readonly budget = new HeldBytesBudget(LIMIT);
  readonly givenUp: Body[] = [];
  readonly checks = { givenUp: 0, refused: 0 };
  #awaited: Body[] = [];

  receive(index: number, bytes: number): void {
    const asking = this.#awaited[index % (this.#awaited.length + 1)] ?? this.#begin();
    this.#ask(bytes, (size) => asking.receive(size), asking);
  }

  /** Something else than an awaited body needs room for a moment: a response, say. */
  hold(bytes: number): void {
    this.#ask(bytes, (size) => this.budget.take(size));
    if (HeldBytesBudget.held > this.#sum()) this.budget.giveBack(bytes);
  }

  finish(index: number): void {
    this.#awaited[index % this.#awaited.length]?.end();
    this.#awaited = this.#awaited.filter((_, at) => at !== index % this.#awaited.length);
  }

  close(): void {
    for (const body of this.#awaited) body.end();
  }

  #begin(): Body {
    const body = new Body(this.budget, this.givenUp);
    this.#awaited.push(body);
    return body;
  }

  #ask(bytes: number, ask: (bytes: number) => boolean, asking?: Body): void {
    const others = this.#awaited.filter((body) => body !== asking);
    const sizes = new Map(this.#awaited.map((body) => [body, body.countedBytes]));
    const size = (bodies: Body[]) => bodies.reduce((sum, body) => sum + (sizes.get(body) ?? 0), 0);
    const idle = (body: Body) => Date.now() - body.lastByteAt;
    const missing = size(this.#awaited) + bytes - LIMIT;
    const isThereRoom = ask(bytes);
    const victims = this.givenUp.splice(0);
    this.#awaited = this.#awaited.filter((body) => !body.isGivenUp && (body !== asking || isThereRoom));

    if (isThereRoom) {
      expect(size(victims)).toBeGreaterThanOrEqual(missing);
      if (victims.length > 0) expect(size(victims.slice(0, -1))).toBeLessThan(missing);
    } else {
      expect(victims).toEqual([]);
      const certain = others.filter((body) => idle(body) >= SECOND + TICK);
      expect(size(certain)).toBeLessThan(missing);
      this.checks.refused++;
    }
    for (const victim of victims) expect(idle(victim)).toBeGreaterThanOrEqual(SECOND);
    const shortest = Math.min(...victims.map(idle));
    for (const survivor of this.#awaited) expect(idle(survivor)).toBeLessThan(shortest + TICK);
    expect(HeldBytesBudget.held).toBe(this.#sum() + (isThereRoom && !asking ? bytes : 0));
    this.checks.givenUp += victims.length;
  }

  #sum(): number {
    return this.#awaited.reduce((sum, { countedBytes }) => sum + countedBytes, 0);
  }
}

const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat(20), fc.integer({ min: 1, max: 400 }))
      .map(([index, bytes]) => named(`${index}: ${bytes} bytes`, (world) => world.receive(index, bytes))),
  },
  {
    weight: 2,
    arbitrary: fc
      .integer({ min: 1, max: LIMIT + 1 })
      .map((bytes) => named(`hold ${bytes}`, (world) => world.hold(bytes))),
  },
  {
    weight: 1,
    arbitrary: fc.nat(20).map((index) => named(`${index} is over`, (world) => world.finish(index))),
  },
  {
    weight: 4,
    arbitrary: fc
      .integer({ min: 1, max: 900 })
      .map((ms) => named(`${ms} ms`, () => void jest.advanceTimersByTime(ms))),
  },
);

describe('For any sequence of bytes, ends and pauses', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('those give way that have stalled longest, none of them in vain, and none that goes on', () => {
    const sum = { givenUp: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const world = new World();
        for (const take of steps) take(world);
        world.close();
        expect(HeldBytesBudget.held).toBe(0);
        jest.advanceTimersByTime(2 * TICK);
        expect(jest.getTimerCount()).toBe(0);
        sum.givenUp += world.checks.givenUp;
        sum.refused += world.checks.refused;
      }),
      { numRuns: 500 },
    );
    expect(sum.givenUp).toBeGreaterThan(100);
    expect(sum.refused).toBeGreaterThan(100);
  });

  it('a body whose sender waits for the application does not give way, and then has a second of its own', () => {
    const world = new World();
    const body = new Body(world.budget, world.givenUp);
    body.receive(LIMIT);
    body.isLate = false;
    jest.advanceTimersByTime(5 * SECOND);
    expect(world.budget.take(1)).toBe(false);
    body.isLate = true;
    jest.advanceTimersByTime(SECOND - 1);
    expect(world.budget.take(1)).toBe(false);
    jest.advanceTimersByTime(TICK + 1);
    expect(world.budget.take(1)).toBe(true);
    expect(world.givenUp).toEqual([body]);
    world.budget.giveBack(1);
  });
});

it('No body is late while the process itself was busy', async () => {
  const givenUp: Body[] = [];
  const budget = new HeldBytesBudget(LIMIT);
  const body = new Body(budget, givenUp);
  body.receive(LIMIT);
  const start = performance.now();
  while (performance.now() - start < 1.5 * SECOND);
  expect(budget.take(1)).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(budget.take(1)).toBe(false);
  expect(givenUp).toEqual([]);
  body.end();
});

function named(name: string, take: (world: World) => void): (world: World) => void {
  return Object.assign((world: World) => take(world), {
    toString: () => name,
    [fc.toStringMethod]: () => name,
  });
}
