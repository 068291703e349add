import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { FakeClocks } from '../support/fake-clocks.js';
import { settingsOf } from '../support/key-settings.js';
import { outcomeOf } from '../support/lookups.js';
import { SimulatedKeySource } from '../support/simulated-key-source.js';
import { createTestApp } from '../support/test-app.js';

const LIFETIME = 300;
const STALE = 600;

const own = createTestApp();
const { appUuid, publicKey } = createTestApp();

describe('Keys, while the clock of the wall is set', () => {
  let clocks: FakeClocks;
  let source: SimulatedKeySource;
  let keys: MAuthKeyCache;

  const start = (options: MAuthOptions['keys'] = {}) => {
    const { settings } = settingsOf(own, {
      mauthUrl: 'https://mauth.example.com',
      keys: { staleIfErrorSeconds: STALE, ...options },
    });
    return new MAuthKeyCache(settings, source);
  };

  beforeEach(() => {
    clocks = new FakeClocks();
    source = new SimulatedKeySource(() => Date.now());
    source.maxAgeSeconds = LIFETIME;
    source.keys.set(appUuid, publicKey);
    keys = start();
  });
  afterEach(() => jest.useRealTimers());

  /** Lets real time pass, in steps after each of which the clock is set back again: it stands still. */
  function passUnseen(seconds: number): void {
    for (let passed = 0; passed < seconds; passed++) {
      clocks.advance(1);
      clocks.setWallClock(-1);
    }
  }

  it('are not good for longer, however often it is set back', async () => {
    await keys.find(appUuid);
    passUnseen(LIFETIME);
    source.keys.delete(appUuid);
    expect(await outcomeOf(keys.find(appUuid))).toBe('unknown');
  });

  it('are not served stale for longer', async () => {
    await keys.find(appUuid);
    source.isDown = true;
    passUnseen(LIFETIME + STALE - 1);
    expect(await outcomeOf(keys.find(appUuid))).toBe('key');
    passUnseen(1);
    expect(await outcomeOf(keys.find(appUuid))).toBe('service_unavailable');
  });

  it('are not kept from an app that was unknown for longer', async () => {
    const late = randomUUID();
    expect(await outcomeOf(keys.find(late))).toBe('unknown');
    source.keys.set(late, publicKey);
    passUnseen(59);
    expect(await outcomeOf(keys.find(late))).toBe('unknown');
    passUnseen(1);
    expect(await outcomeOf(keys.find(late))).toBe('key');
  });

  it('are asked for again once the cool-down is over', async () => {
    source.isDown = true;
    for (const app of [appUuid, randomUUID(), randomUUID()])
      expect(await outcomeOf(keys.find(app))).toBe('service_unavailable');
    source.isDown = false;
    passUnseen(9);
    expect(await outcomeOf(keys.find(appUuid))).toBe('service_unavailable');
    passUnseen(30);
    expect(await outcomeOf(keys.find(appUuid))).toBe('key');
  });

  it('are asked for again after a failed signature once the cool-down is over', async () => {
    await keys.find(appUuid);
    await keys.findNewer(appUuid, publicKey);
    const asked = source.asked.length;
    passUnseen(9);
    await keys.findNewer(appUuid, publicKey);
    expect(source.asked).toHaveLength(asked);
    passUnseen(4);
    await keys.findNewer(appUuid, publicKey);
    expect(source.asked).toHaveLength(asked + 1);
  });

  it('that come from the second level are as old there as they are', async () => {
    const store = new Map<string, string>();
    const secondLevel = {
      get: async (name: string) => store.get(name),
      set: async (name: string, entry: string) => store.set(name, entry),
    };
    await start({ secondLevel }).find(appUuid);
    clocks.advance(200);
    const second = start({ secondLevel });
    expect(await outcomeOf(second.find(appUuid))).toBe('key');
    expect(source.asked).toHaveLength(1);
    source.keys.delete(appUuid);
    passUnseen(LIFETIME - 200);
    expect(await outcomeOf(second.find(appUuid))).toBe('unknown');
  });

  it('are looked up anew where only the clock of the wall has gone on, as after a process was frozen', async () => {
    await keys.find(appUuid);
    clocks.setWallClock(LIFETIME);
    source.keys.delete(appUuid);
    expect(await outcomeOf(keys.find(appUuid))).toBe('unknown');
  });

  it('are never good for longer than they may be, whatever is done to it', async () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.integer({ min: 1, max: 400 }).map((seconds) => ({ seconds, isSet: false })),
      },
      {
        weight: 2,
        arbitrary: fc.integer({ min: -4000, max: 4000 }).map((seconds) => ({ seconds, isSet: true })),
      },
    );
    let served = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, isDown) => {
        source.isDown = false;
        source.keys.set(appUuid, publicKey);
        const cache = start();
        await cache.find(appUuid);
        source.isDown = isDown;
        source.keys.delete(appUuid);
        let sinceRevoked = 0;
        for (const { seconds, isSet } of steps) {
          if (isSet) clocks.setWallClock(seconds);
          else {
            clocks.advance(seconds);
            sinceRevoked += seconds;
          }
          const found = await outcomeOf(cache.find(appUuid));
          await new Promise(setImmediate); // What it set off in the background ends.
          if (found !== 'key') continue;
          served++;
          expect(sinceRevoked).toBeLessThan(LIFETIME + (isDown ? STALE : 0));
        }
      }),
      { numRuns: 200 },
    );
    expect(served).toBeGreaterThan(100);
  });
});
