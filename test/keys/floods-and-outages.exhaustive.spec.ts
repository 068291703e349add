import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { settingsOf } from '../support/key-settings.js';
import { figures, findAll, outcomeOf, settle, timed } from '../support/lookups.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { SimulatedKeySource } from '../support/simulated-key-source.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const caller = createTestApp();
const note = figures();

/** Bytes, after everything that can go has gone. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('a simulated hour', () => {
  const simulate = () => {
    const clock = new SimulatedClock();
    const source = new SimulatedKeySource(clock.now);
    const { settings } = settingsOf(own, {
      mauthUrl: 'https://mauth.example.com',
      now: clock.now,
    });
    return { clock, source, keys: new MAuthKeyCache(settings, source) };
  };
  const tick = () => new Promise(setImmediate);

  it('with 1,000,000 made-up apps pushes out no known key, and memory stays bounded', async () => {
    const { source, keys } = simulate();
    source.maxAgeSeconds = 3600; // A slow machine takes longer than the usual five minutes.
    const known = Array.from({ length: 100 }, () => randomUUID());
    for (const appUuid of known) source.keys.set(appUuid, caller.publicKey);
    await findAll(keys, known);

    const heap: number[] = [];
    for (let round = 0; round < 2500; round++) {
      const outcomes = await findAll(
        keys,
        Array.from({ length: 400 }, () => randomUUID()),
      );
      expect(outcomes.every((key) => key === undefined)).toBe(true);
      source.asked.length = 0; // The record of the test itself shall not count.
      if (round % 1250 === 1249) heap.push(heapInUse());
    }
    expect(keys.stats()).toMatchObject({ size: known.length, fetches: 1_000_000 + known.length });
    for (const appUuid of known) expect(keys.find(appUuid)).not.toBeInstanceOf(Promise);
    expect(source.mostOpen).toBeLessThanOrEqual(50);
    const growth = ((heap[1] ?? NaN) - (heap[0] ?? NaN)) / 1024 / 1024;
    expect(growth).toBeLessThan(5);
    note(
      '1,000,000 made-up apps',
      `100 of 100 known keys there, at most ${source.mostOpen} open, heap grew by ${growth.toFixed(1)} MiB over the second half`,
    );
  }, 1_800_000); // However slow the machine is.

  it('with ten minutes of outage serves known apps, refuses others at once, and recovers soon', async () => {
    const { clock, source, keys } = simulate();
    const known = Array.from({ length: 50 }, () => randomUUID());
    for (const appUuid of known) source.keys.set(appUuid, caller.publicKey);
    await findAll(keys, known);
    clock.advance(200);

    source.isDown = true;
    source.asked.length = 0;
    let served = 0;
    const waits: number[] = [];
    for (let second = 0; second < 600; second++) {
      clock.advance(1);
      for (const appUuid of known) if ((await outcomeOf(keys.find(appUuid))) === 'key') served++;
      const [outcome, took] = await timed(() => outcomeOf(keys.find(randomUUID())));
      expect(outcome).toBe('service_unavailable');
      waits.push(took);
      await tick();
    }
    expect(served).toBe(600 * known.length);
    const p99 = waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? NaN;
    expect(p99).toBeLessThan(50); // Not the slowest one: the machine itself may pause.
    // A handful until it is known that the service is down, then one probe in each cool-down.
    expect(source.asked.length).toBeLessThanOrEqual(10 + 600 / 10);

    const asked = source.asked.length;
    source.isDown = false;
    const late = randomUUID();
    source.keys.set(late, caller.publicKey);
    let recovery = 0;
    while ((await outcomeOf(keys.find(late))) !== 'key') {
      clock.advance(1);
      recovery++;
      await tick();
    }
    expect(recovery).toBeLessThanOrEqual(30);
    for (const appUuid of known) void keys.find(appUuid);
    clock.advance(31);
    for (const appUuid of known) void keys.find(appUuid);
    await settle(keys);
    const { stale } = keys.stats();
    for (const appUuid of known) expect(await outcomeOf(keys.find(appUuid))).toBe('key');
    expect(keys.stats().stale).toBe(stale);
    note(
      'service down for 10 minutes, 50 known apps every second',
      `${served} of ${600 * known.length} served; unknown apps 503 in ${p99.toFixed(1)} ms (99 %); ${asked} fetches; recovery in ${recovery} s`,
    );
  }, 60_000);

  it('with a service that hangs makes nobody wait for the look-up that shows whether it is back', async () => {
    const { clock, source, keys } = simulate();
    source.isDown = true;
    for (let i = 0; i < 3; i++) await outcomeOf(keys.find(randomUUID()));
    clock.advance(13);
    source.hangsUntil = new Promise((resolve) => setTimeout(resolve, 300));
    const [outcome, took] = await timed(() => outcomeOf(keys.find(randomUUID())));
    expect(outcome).toBe('service_unavailable');
    expect(took).toBeLessThan(200);
    for (let i = 0; i < 10; i++) await outcomeOf(keys.find(randomUUID()));
    expect(source.asked).toHaveLength(4);
    await source.hangsUntil;
  });

  it('with many look-ups waiting for their turn asks no more once the service turns out to be down', async () => {
    const { source, keys } = simulate();
    source.isDown = true;
    source.hangsUntil = new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all(Array.from({ length: 400 }, () => outcomeOf(keys.find(randomUUID()))));
    expect(source.asked.length).toBeLessThanOrEqual(50);
  });

  it('with too many look-ups at once holds that against no app', async () => {
    const { source, keys } = simulate();
    source.keys.set(caller.appUuid, caller.publicKey);
    source.hangsUntil = new Promise((resolve) => setTimeout(resolve, 100));
    const flood = Array.from({ length: 1000 }, () => outcomeOf(keys.find(randomUUID())));
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('too_many_lookups');
    await Promise.all(flood);
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
  });

  it('after an outage that was over long ago answers the first request at once', async () => {
    const { clock, source, keys } = simulate();
    source.keys.set(caller.appUuid, caller.publicKey);
    source.isDown = true;
    for (let i = 0; i < 3; i++) await outcomeOf(keys.find(randomUUID()));
    source.isDown = false;
    clock.advance(60);
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
  });

  it('with one app whose record is broken does not take the service for down', async () => {
    const { clock, source, keys } = simulate();
    const broken = randomUUID();
    for (let i = 0; i < 50; i++) {
      source.isDown = true;
      await outcomeOf(keys.find(broken));
      source.isDown = false;
      const fresh = randomUUID();
      source.keys.set(fresh, caller.publicKey);
      if (i % 10 === 9) expect(await outcomeOf(keys.find(fresh))).toBe('key');
      clock.advance(13);
    }
  });
});
