import { randomUUID } from 'node:crypto';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { settingsOf } from '../support/key-settings.js';
import { figures, outcomeOf, timed } from '../support/lookups.js';
import { SimulatedKeySource } from '../support/simulated-key-source.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
/** Stands for every registered app: they differ by their UUIDs alone. */
const { publicKey, privateKey } = createTestApp();
const note = figures();

// Bounds of real time are tested: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Slots for unknown apps; with a service that takes 50 ms, 80 of them get an answer in a second. */
const SLOTS = 4;
const FLOOD_PER_SECOND = 800;

describe('A newcomer amid ten times as many made-up apps as the service can answer', () => {
  const EVERY_MS = 10;
  let source: SimulatedKeySource;
  let keys: MAuthKeyCache;
  let flood: NodeJS.Timeout | undefined;
  let outcomes: Map<string, number>;

  beforeEach(() => {
    const { settings } = settingsOf(own, {
      mauthUrl: 'https://mauth.example.com',
      service: { maxOpenFetches: SLOTS + 1 },
    });
    source = new SimulatedKeySource(settings.now);
    source.latencyMs = 50;
    keys = new MAuthKeyCache(settings, source);
    outcomes = new Map();
  });
  afterEach(() => clearInterval(flood));

  /** Asks about made-up apps, until the test ends; resolves when most of them are turned away. */
  async function begin(madeUp: () => string): Promise<void> {
    const ask = async () => {
      const outcome = await outcomeOf(keys.find(madeUp()));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    };
    flood = setInterval(() => {
      for (let i = 0; i < (FLOOD_PER_SECOND * EVERY_MS) / 1000; i++) void ask();
    }, EVERY_MS);
    while ((outcomes.get('too_many_lookups') ?? 0) < FLOOD_PER_SECOND / 4) await wait(EVERY_MS);
  }

  /** Ten apps that are registered; how long each takes until it is let in, if it asks again every 300 ms. */
  async function timesOfNewcomers(): Promise<number[]> {
    const newcomers = Array.from({ length: 10 }, () => randomUUID());
    for (const appUuid of newcomers) source.keys.set(appUuid, publicKey);
    return Promise.all(
      newcomers.map(async (appUuid, index) => {
        await wait(index * 30);
        const [, took] = await timed(async () => {
          while ((await outcomeOf(keys.find(appUuid))) !== 'key') await wait(300);
        });
        return took;
      }),
    );
  }

  it('that asks again every 300 ms is in within 3 s, ten of ten', async () => {
    await begin(randomUUID);
    const times = await timesOfNewcomers();
    note(
      `newcomers amid ${FLOOD_PER_SECOND} made-up apps a second, ${SLOTS} slots, service 50 ms`,
      `in after ${times.map((ms) => Math.round(ms)).join(', ')} ms; ` +
        `${outcomes.get('too_many_lookups')} made-up apps turned away, ${outcomes.get('unknown')} looked up`,
    );
    expect(Math.max(...times)).toBeLessThan(3000);
    expect(source.mostOpen).toBeLessThanOrEqual(SLOTS);
  });

  it('is in soon also while made-up apps come back, over and over', async () => {
    const madeUp = Array.from({ length: 400 }, () => randomUUID());
    let next = 0;
    await begin(() => madeUp[next++ % madeUp.length] ?? '');
    expect(Math.max(...(await timesOfNewcomers()))).toBeLessThan(4000);
  });
});

describe('Keys of registered apps that signed nothing', () => {
  const registered = new Set<string>(Array.from({ length: 600 }, () => randomUUID()));
  const [used, named] = [[...registered].slice(0, 90), [...registered].slice(90, 95)];
  let asked: string[];
  let keys: MAuthKeyCache;
  let authenticator: MAuthAuthenticator;

  const start = (options: Partial<MAuthOptions> = {}) => {
    const { settings, signer } = settingsOf(own, {
      keys: { maxEntries: 100 },
      apps: Object.fromEntries(named.map((appUuid, index) => [`app${index}`, appUuid])),
      findPublicKey: (appUuid) => {
        asked.push(appUuid);
        return registered.has(appUuid) ? publicKey : undefined;
      },
      ...options,
    });
    keys = createPublicKeys(settings, signer) as MAuthKeyCache;
    authenticator = new MAuthAuthenticator({ settings, keys });
  };

  /** A request under the app's UUID, signed by it or by somebody else. */
  const request = async (appUuid: string, key = privateKey) => {
    const message = { method: 'GET', url: '/studies' };
    const signer = new MAuthSigner({ appUuid, privateKey: key, signVersions: 'v2' });
    const headers = await signer.signRequest(message);
    return authenticator.authenticateRequest({ ...message, headers, body: null });
  };

  beforeEach(() => {
    asked = [];
    start();
  });

  it('push out each other alone, and neither keys in use nor those of apps that the options name', async () => {
    for (const appUuid of used) expect(await request(appUuid)).toMatchObject({ authentic: true });
    for (const appUuid of named) await keys.find(appUuid);
    for (const appUuid of registered) {
      if (used.includes(appUuid) || named.includes(appUuid)) continue;
      expect(await request(appUuid, own.privateKey)).toMatchObject({ code: 'signature_mismatch' });
    }
    expect(keys.stats().size).toBeLessThanOrEqual(110);
    asked.length = 0;
    for (const appUuid of used) expect(await request(appUuid)).toMatchObject({ authentic: true });
    for (const appUuid of named) await keys.find(appUuid);
    expect(asked).toEqual([]);
  });

  it('have all the room that keys in use leave, and make room for them', async () => {
    const [first = '', ...others] = used;
    for (const appUuid of [first, ...others]) await request(appUuid, own.privateKey);
    expect(keys.stats().size).toBe(used.length);
    asked.length = 0;
    for (const appUuid of [first, ...others]) await request(appUuid);
    expect(asked).toEqual([]);
    expect(keys.stats().size).toBe(used.length);
  });

  it('do not count as known, so a known app never waits for them', async () => {
    const source = new SimulatedKeySource(() => Date.now());
    for (const appUuid of registered) source.keys.set(appUuid, publicKey);
    const { settings } = settingsOf(own, {
      mauthUrl: 'https://mauth.example.com',
      service: { maxOpenFetches: 5, deadlineMs: 1000 },
    });
    keys = new MAuthKeyCache(settings, source);
    const some = [...registered].slice(0, 20);
    for (const appUuid of some) await keys.find(appUuid);
    let release: (nothing: unknown) => void = () => undefined;
    source.hangsUntil = new Promise((resolve) => (release = resolve));
    source.mostOpen = 0;
    // Junk signatures: the app may have a new key.
    const asking = some.map((appUuid) => keys.findNewer(appUuid, publicKey));
    await wait(20);
    expect(source.mostOpen).toBe(4);
    release(undefined);
    await Promise.all(asking);
  });
});
