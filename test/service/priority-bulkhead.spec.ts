import { randomUUID } from 'node:crypto';
import { PriorityBulkhead, BulkheadFullError } from '../../lib/service/priority-bulkhead.js';
import { MOST_TIMES, TurnedAway } from '../../lib/service/turned-away.js';
import { FakeClocks } from '../support/fake-clocks.js';

/** A task that ends when it is told to. */
function task(): { run: () => Promise<void>; end: () => void; hasStarted: () => boolean } {
  let started = false;
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { run: () => ((started = true), ended), end, hasStarted: () => started };
}

const turn = () => new Promise(setImmediate);

describe('slots for look-ups', () => {
  it('are never all taken by unknown apps', async () => {
    const slots = new PriorityBulkhead(5);
    const tasks = Array.from({ length: 5 }, task);
    const running = tasks.map(({ run }) => slots.run({ kind: 'unknown', withinMs: 1000 }, run));
    expect(tasks.map(({ hasStarted }) => hasStarted())).toEqual([true, true, true, true, false]);
    const known = task();
    const runningKnown = slots.run({ kind: 'known', withinMs: 1000 }, known.run);
    expect(known.hasStarted()).toBe(true);
    for (const { end } of [...tasks, known]) end();
    await Promise.all([...running, runningKnown]);
    expect(tasks[4]?.hasStarted()).toBe(true);
  });

  it('go to known apps first, also where there is only one', async () => {
    const slots = new PriorityBulkhead(1);
    const [first, unknown, known] = [task(), task(), task()];
    const running = [
      slots.run({ kind: 'unknown', withinMs: 1000 }, first.run),
      slots.run({ kind: 'unknown', withinMs: 1000 }, unknown.run),
      slots.run({ kind: 'known', withinMs: 1000 }, known.run),
    ];
    first.end();
    await turn();
    expect([unknown.hasStarted(), known.hasStarted()]).toEqual([false, true]);
    for (const { end } of [unknown, known]) end();
    await Promise.all(running);
  });

  it('are not lost with tasks that fail, nor with waiters that have gone', async () => {
    const slots = new PriorityBulkhead(2);
    const first = task();
    const running = slots.run({ kind: 'unknown', withinMs: 1000 }, first.run);
    const waiters = Array.from({ length: 3 }, () =>
      slots.run({ kind: 'unknown', withinMs: 20 }, async () => 'never'),
    );
    for (const waiter of waiters) await expect(waiter).rejects.toBeInstanceOf(BulkheadFullError);
    first.end();
    await running;
    await expect(
      slots.run({ kind: 'unknown', withinMs: 1000 }, () => Promise.reject(new Error('failed'))),
    ).rejects.toThrow('failed');
    expect(await slots.run({ kind: 'unknown', withinMs: 20 }, async () => 'done')).toBe('done');
  });

  it('are waited for by ten unknown apps a slot, and no more', async () => {
    const slots = new PriorityBulkhead(1);
    const first = task();
    const running = [slots.run({ kind: 'unknown', withinMs: 1000 }, first.run)];
    for (let i = 0; i < 10; i++)
      running.push(slots.run({ kind: 'unknown', withinMs: 1000 }, async () => undefined));
    await expect(
      slots.run({ kind: 'unknown', withinMs: 1000 }, async () => undefined),
    ).rejects.toBeInstanceOf(BulkheadFullError);
    first.end();
    await Promise.all(running);
  });
});

describe('Slots whose tasks take long', () => {
  afterEach(() => jest.useRealTimers());

  it.each([
    [10, 20],
    [125, 8],
    [250, 4],
    [60_000, 2],
  ])(
    'of %i ms are waited for by as many as are served in half of the time: %i for two slots',
    async (ms, waiting) => {
      const clocks = new FakeClocks();
      const slots = new PriorityBulkhead(3); // One of them is for known apps.
      for (let time = 0; time < 100; time++)
        await slots.run({ kind: 'unknown', withinMs: 1000 }, async () => clocks.advance(ms / 1000));
      const occupants = [task(), task()];
      const running = occupants.map(({ run }) => slots.run({ kind: 'unknown', withinMs: 1000 }, run));
      const results = Array.from({ length: 30 }, () =>
        slots.run({ kind: 'unknown', withinMs: 1000 }, async () => 'let in').catch(() => 'turned away'),
      );
      for (const { end } of occupants) end();
      await Promise.all(running);
      expect((await Promise.all(results)).filter((outcome) => outcome === 'let in')).toHaveLength(waiting);
    },
  );
});

/** Slots for unknown apps, all of them taken, and the order in which those that wait get one. */
class CrowdedSlots {
  readonly order: string[] = [];
  readonly #slots = new PriorityBulkhead(1);
  readonly #occupant = task();

  constructor() {
    void this.#slots.run({ kind: 'unknown', withinMs: 1000 }, this.#occupant.run);
  }

  /** Whether the app got a slot, or was turned away. */
  async ask(app: string, withinMs = 1000): Promise<'let in' | 'turned away'> {
    const request = { kind: 'unknown', withinMs, returning: app } as const;
    try {
      await this.#slots.run(request, async () => void this.order.push(app));
      return 'let in';
    } catch (error) {
      if (error instanceof BulkheadFullError) return 'turned away';
      throw error;
    }
  }

  /** The queue is full of apps that ask for the first time. */
  fill(count = 10): Promise<string>[] {
    return Array.from({ length: count }, (_, index) => this.ask(`first ${index}`));
  }

  /** The slot comes free, and all that wait get it, one after the other. */
  open(): void {
    this.#occupant.end();
  }
}

describe('An app that was turned away', () => {
  let slots: CrowdedSlots;
  let clocks: FakeClocks;
  beforeEach(() => {
    clocks = new FakeClocks();
    slots = new CrowdedSlots();
  });
  afterEach(() => jest.useRealTimers());

  it('goes before those that ask for the first time when it asks again within a minute', async () => {
    const crowd = slots.fill();
    expect(await slots.ask('newcomer')).toBe('turned away');
    clocks.advance(59);
    const again = slots.ask('newcomer');
    slots.open();
    expect(await again).toBe('let in');
    expect(slots.order[0]).toBe('newcomer');
    // The last of them had to go for it; all others got their turn.
    expect((await Promise.all(crowd)).map((outcome) => outcome === 'let in')).toEqual([
      ...Array<boolean>(9).fill(true),
      false,
    ]);
  });

  it('is one of many after a minute', async () => {
    void slots.fill();
    expect(await slots.ask('newcomer')).toBe('turned away');
    clocks.advance(60);
    expect(await slots.ask('newcomer')).toBe('turned away');
    slots.open();
  });

  it('is one that waited in vain, or had to go for another one, as well', async () => {
    expect(await slots.ask('in vain', 5)).toBe('turned away');
    const crowd = slots.fill();
    void slots.ask('in vain');
    expect(await crowd.at(-1)).toBe('turned away');
    void slots.ask('first 9');
    slots.open();
    await Promise.all(crowd);
    expect(slots.order.slice(0, 2)).toEqual(['in vain', 'first 9']);
  });

  it('goes before those that were turned away less often', async () => {
    const crowd = slots.fill();
    const once = Array.from({ length: 10 }, (_, index) => `once ${index}`);
    for (const app of once) expect(await slots.ask(app)).toBe('turned away');
    const back = once.map((app) => slots.ask(app));
    expect(new Set(await Promise.all(crowd))).toEqual(new Set(['turned away']));
    for (let time = 0; time < 2; time++) expect(await slots.ask('twice')).toBe('turned away');
    const again = slots.ask('twice');
    slots.open();
    expect(await again).toBe('let in');
    expect((await Promise.all(back)).filter((outcome) => outcome === 'let in')).toHaveLength(9);
    expect(slots.order[0]).toBe('twice');
  });

  it('is like any other once it was let in', async () => {
    void slots.fill();
    await slots.ask('newcomer');
    const again = slots.ask('newcomer');
    slots.open();
    await again;
    const next = new CrowdedSlots();
    void next.fill();
    expect(await next.ask('newcomer')).toBe('turned away');
    next.open();
  });
});

describe('What is remembered of apps that were turned away', () => {
  afterEach(() => jest.useRealTimers());

  it('counts up to a bound, and ends with a minute without', () => {
    const clocks = new FakeClocks();
    const turnedAway = new TurnedAway();
    const app = randomUUID();
    expect(turnedAway.times(app)).toBe(0);
    for (let time = 1; time < 300; time++) {
      turnedAway.note(app);
      expect(turnedAway.times(app)).toBe(Math.min(time, MOST_TIMES));
      clocks.advance(30);
    }
    clocks.advance(29);
    expect(turnedAway.times(app)).toBe(MOST_TIMES);
    clocks.advance(1);
    expect(turnedAway.times(app)).toBe(0);
    turnedAway.note(app);
    expect(turnedAway.times(app)).toBe(1);
    turnedAway.forget(app);
    expect(turnedAway.times(app)).toBe(0);
  });

  it('is kept for half a minute amid 8,000 made-up apps a second, and surely for one that came back', () => {
    const clocks = new FakeClocks();
    const turnedAway = new TurnedAway();
    const once = Array.from({ length: 200 }, () => randomUUID());
    const twice = Array.from({ length: 200 }, () => randomUUID());
    for (const app of [...once, ...twice, ...twice]) turnedAway.note(app);
    const remembered = (apps: string[]) => apps.filter((app) => turnedAway.times(app) > 0).length;
    for (let second = 1; second <= 30; second++) {
      clocks.advance(1);
      for (let i = 0; i < 8000; i++) turnedAway.note(`${second} ${i}`);
      if (second === 10) expect(remembered(once)).toBeGreaterThan(190);
    }
    expect(remembered(once)).toBeGreaterThan(150);
    expect(remembered(twice)).toBeGreaterThanOrEqual(199);
  }, 60_000);

  it('takes 4 MiB, however many they are', () => {
    const before = process.memoryUsage().arrayBuffers;
    const turnedAway = new TurnedAway();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024);
    for (let i = 0; i < 20_000; i++) turnedAway.note(String(i));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4.5 * 1024 * 1024);
  });
});
