import { LookupSlots, NoSlotError } from '../../lib/keys/lookup-slots.js';

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
    const slots = new LookupSlots(5);
    const tasks = Array.from({ length: 5 }, task);
    const running = tasks.map(({ run }) => slots.run('unknown', 1000, run));
    expect(tasks.map(({ hasStarted }) => hasStarted())).toEqual([true, true, true, true, false]);
    const known = task();
    const runningKnown = slots.run('known', 1000, known.run);
    expect(known.hasStarted()).toBe(true);
    for (const { end } of [...tasks, known]) end();
    await Promise.all([...running, runningKnown]);
    expect(tasks[4]?.hasStarted()).toBe(true);
  });

  it('go to known apps first, also where there is only one', async () => {
    const slots = new LookupSlots(1);
    const [first, unknown, known] = [task(), task(), task()];
    const running = [
      slots.run('unknown', 1000, first.run),
      slots.run('unknown', 1000, unknown.run),
      slots.run('known', 1000, known.run),
    ];
    first.end();
    await turn();
    expect([unknown.hasStarted(), known.hasStarted()]).toEqual([false, true]);
    for (const { end } of [unknown, known]) end();
    await Promise.all(running);
  });

  it('are not lost with tasks that fail, nor with waiters that have gone', async () => {
    const slots = new LookupSlots(2);
    const first = task();
    const running = slots.run('unknown', 1000, first.run);
    const waiters = Array.from({ length: 3 }, () => slots.run('unknown', 20, async () => 'never'));
    for (const waiter of waiters) await expect(waiter).rejects.toBeInstanceOf(NoSlotError);
    first.end();
    await running;
    await expect(slots.run('unknown', 1000, () => Promise.reject(new Error('failed')))).rejects.toThrow(
      'failed',
    );
    expect(await slots.run('unknown', 20, async () => 'done')).toBe('done');
  });

  it('are waited for by ten unknown apps a slot, and no more', async () => {
    const slots = new LookupSlots(1);
    const first = task();
    const running = [slots.run('unknown', 1000, first.run)];
    for (let i = 0; i < 10; i++) running.push(slots.run('unknown', 1000, async () => undefined));
    await expect(slots.run('unknown', 1000, async () => undefined)).rejects.toBeInstanceOf(NoSlotError);
    first.end();
    await Promise.all(running);
  });
});
