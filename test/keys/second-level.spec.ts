import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { CACHE_MANAGER, CacheModule, type Cache } from '@nestjs/cache-manager';
import { Test } from '@nestjs/testing';
import Keyv from 'keyv';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type MAuthOptions, type MAuthSecondLevelCache } from '../../lib/config/options.js';
import { createKeyPair } from '../support/key-pair.js';
import { collectingLogger, settingsOf } from '../support/key-settings.js';
import { findAll, outcomeOf, settle, timed, until } from '../support/lookups.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { hasRedisServer, RedisServer } from '../support/redis-server.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { createTestApp } from '../support/test-app.js';

// Bounds of real time are tested: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const own = createTestApp();
const caller = createTestApp();
const nextCaller = createTestApp(caller.appUuid);
const stranger = createTestApp();

let service: MAuthServiceStandIn;
let clock: SimulatedClock;
let instances: MAuthKeyCache[];

const instance = (secondLevel: MAuthSecondLevelCache, options: Partial<MAuthOptions> = {}): MAuthKeyCache => {
  const { keys, ...rest } = options;
  const { settings, signer } = settingsOf(own, {
    mauthUrl: service.url,
    now: clock.now,
    service: { deadlineMs: 1000 },
    keys: { ...keys, secondLevel },
    ...rest,
  });
  const cache = createPublicKeys(settings, signer) as MAuthKeyCache;
  instances.push(cache);
  return cache;
};

beforeEach(async () => {
  clock = new SimulatedClock();
  instances = [];
  service = await MAuthServiceStandIn.start({ apps: [own, caller] });
});
afterEach(async () => {
  for (const cache of instances) cache.close();
  await service.stop();
});

/** A store in memory that counts, and can be told to misbehave. */
class ProbeStore implements MAuthSecondLevelCache {
  readonly entries = new Map<string, unknown>();
  readonly ttls: number[] = [];
  calls = 0;
  behave: () => unknown = () => undefined;

  async get(key: string): Promise<unknown> {
    await this.#called();
    return this.entries.get(key);
  }
  async set(key: string, value: string, ttl: number): Promise<unknown> {
    await this.#called();
    this.ttls.push(ttl);
    return this.entries.set(key, value);
  }
  async delete(key: string): Promise<unknown> {
    await this.#called();
    return this.entries.delete(key);
  }
  async #called(): Promise<void> {
    this.calls++;
    await this.behave();
  }
}

describe('a second level that instances share', () => {
  let store: ProbeStore;
  beforeEach(() => {
    store = new ProbeStore();
  });

  it('spares the second instance the fetch', async () => {
    const [first, second] = [instance(store), instance(store)];
    await first.find(caller.appUuid);
    await settle(...instances);
    expect((await second.find(caller.appUuid))?.equals(caller.publicKey)).toBe(true);
    expect(service.fetches()).toBe(1);
    expect(second.stats()).toMatchObject({ fetches: 0, misses: 1 });
  });

  it('can be a Keyv store as it is', async () => {
    const keyv = new Keyv();
    await instance(keyv).find(caller.appUuid);
    await settle(...instances);
    await instance(keyv).find(caller.appUuid);
    expect(service.fetches()).toBe(1);
  });

  it('can be the cache of @nestjs/cache-manager, injected as it is', async () => {
    const module = await Test.createTestingModule({ imports: [CacheModule.register()] }).compile();
    const cache = module.get<Cache>(CACHE_MANAGER);
    await instance(cache).find(caller.appUuid);
    await settle(...instances);
    const second = instance(cache);
    await second.find(caller.appUuid);
    expect(service.fetches()).toBe(1);
    service.revoke(caller.appUuid);
    second.invalidate(caller.appUuid);
    await settle(...instances);
    expect(await outcomeOf(instance(cache).find(caller.appUuid))).toBe('unknown');
    await module.close();
  });

  it('holds an entry for as long as it may serve', async () => {
    service.cacheControl('max-age=900');
    await instance(store, { keys: { staleIfErrorSeconds: 600 } }).find(caller.appUuid);
    await settle(...instances);
    expect(store.ttls).toEqual([1_500_000]);
  });

  it('does not make a key live longer than its first fetch allows', async () => {
    await instance(store).find(caller.appUuid);
    await settle(...instances);
    clock.advance(200);
    const late = instance(store);
    await late.find(caller.appUuid);
    service.revoke(caller);
    clock.advance(100);
    expect(await late.find(caller.appUuid)).toBeUndefined();
  });

  it('lets one instance refresh for all', async () => {
    const all = Array.from({ length: 5 }, () => instance(store));
    for (const cache of all) await cache.find(caller.appUuid);
    await settle(...instances);
    expect(service.fetches()).toBeLessThanOrEqual(5);
    const before = service.fetches();
    clock.advance(290);
    for (const cache of all) {
      expect(cache.find(caller.appUuid)).not.toBeInstanceOf(Promise);
      await settle(...instances);
    }
    expect(service.fetches() - before).toBe(1);
  });

  it('is no reason to put off a refresh: its entry is as old as the key in memory', async () => {
    const cache = instance(store);
    const apps = Array.from({ length: 60 }, () => randomUUID());
    for (const appUuid of apps) service.register({ ...caller, appUuid });
    await findAll(cache, apps);
    await settle(cache);
    clock.advance(255); // About half of them are due.
    await findAll(cache, apps);
    await settle(cache);
    expect(cache.stats().fetches).toBeGreaterThan(apps.length);
    await findAll(cache, apps);
    expect(cache.stats().pending).toBe(0);
  });

  it('tells the others of a revocation as soon as they refresh', async () => {
    const [first, second] = [instance(store), instance(store)];
    await first.find(caller.appUuid);
    await settle(...instances);
    await second.find(caller.appUuid);
    service.revoke(caller);
    clock.advance(290);
    void first.find(caller.appUuid);
    await settle(...instances);
    expect(store.entries.size).toBe(0);
    void second.find(caller.appUuid);
    await settle(...instances);
    expect(await second.find(caller.appUuid)).toBeUndefined();
  });

  it('is not asked for a newer key: it may hold the very one that has just failed', async () => {
    const [first, second] = [instance(store), instance(store)];
    const key = await first.find(caller.appUuid);
    await settle(...instances);
    await second.find(caller.appUuid);
    service.register(nextCaller);
    expect(key && (await first.findNewer(caller.appUuid, key))?.equals(nextCaller.publicKey)).toBe(true);
    await settle(...instances);
    expect((await instance(store).find(caller.appUuid))?.equals(nextCaller.publicKey)).toBe(true);
    expect(key && (await second.findNewer(caller.appUuid, key))?.equals(nextCaller.publicKey)).toBe(true);
  });

  it('keeps an instance going that starts during an outage', async () => {
    await instance(store).find(caller.appUuid);
    await settle(...instances);
    await service.stop();
    clock.advance(1000);
    const late = instance(store);
    expect(await outcomeOf(late.find(caller.appUuid))).toBe('key');
    expect(late.stats()).toMatchObject({ stale: 1, failures: 1 });
    clock.advance(2900);
    expect(await outcomeOf(late.find(caller.appUuid))).toBe('service_unavailable');
  });

  it('is still read when the service is known to be down, for fresh keys and stale ones', async () => {
    const writer = instance(store);
    await writer.find(caller.appUuid);
    await settle(writer);
    clock.advance(299);
    await writer.find(own.appUuid);
    await settle(writer);
    await service.stop();
    const late = instance(store);
    for (let i = 0; i < 3; i++) await outcomeOf(late.find(randomUUID()));
    clock.advance(1);
    expect(await outcomeOf(late.find(own.appUuid))).toBe('key');
    expect(late.stats().stale).toBe(0);
    expect(await outcomeOf(late.find(caller.appUuid))).toBe('key');
    expect(late.stats().stale).toBe(1);
    expect(await outcomeOf(late.find(randomUUID()))).toBe('service_unavailable');
  });

  it('gives no stale key where that is switched off', async () => {
    await instance(store).find(caller.appUuid);
    await settle(...instances);
    await service.stop();
    clock.advance(301);
    const late = instance(store, { keys: { staleIfErrorSeconds: 0 } });
    expect(await outcomeOf(late.find(caller.appUuid))).toBe('service_unavailable');
  });

  it('forgets an app that is invalidated', async () => {
    const cache = instance(store);
    await cache.find(caller.appUuid);
    await settle(...instances);
    cache.invalidate(caller.appUuid.toUpperCase());
    await settle(...instances);
    expect(store.entries.size).toBe(0);
  });

  it('never mixes two MAuth services', async () => {
    await instance(store).find(caller.appUuid);
    await settle(...instances);
    const other = await MAuthServiceStandIn.start({ apps: [own] });
    expect(await instance(store, { mauthUrl: other.url }).find(caller.appUuid)).toBeUndefined();
    await other.stop();
  });

  const entry = (changes: object) => (good: object) => JSON.stringify({ ...good, ...changes });
  const spki = (type: 'ec' | 'ed25519') => createKeyPair(type, { namedCurve: 'P-256' }).publicKeyPem;

  it.each<[string, (good: object) => unknown]>([
    ['garbage', () => 'garbage'],
    ['empty text', () => ''],
    ['null', () => null],
    ['a number', () => 42],
    ['bytes', (good) => Buffer.from(JSON.stringify(good))],
    ['an object instead of text', (good) => good],
    ['the text null', () => 'null'],
    ['a list', (good) => JSON.stringify([good])],
    ['1 MiB', (good) => JSON.stringify(good).padEnd(1024 * 1024)],
    ['another app', entry({ appUuid: stranger.appUuid })],
    ['no app', entry({ appUuid: undefined })],
    ['no key', entry({ publicKey: undefined })],
    ['a key that is no text', entry({ publicKey: { pem: stranger.publicKeyPem } })],
    ['a truncated key', entry({ publicKey: stranger.publicKeyPem.slice(0, 200) })],
    ['an EC key', entry({ publicKey: spki('ec') })],
    ['an Ed25519 key', entry({ publicKey: spki('ed25519') })],
    ['a private key', entry({ publicKey: stranger.privateKeyPem })],
    ['a weak key', entry({ publicKey: createTestApp(undefined, 1024).publicKeyPem })],
    ['a lifetime of a year', entry({ publicKey: stranger.publicKeyPem, lifetime: 31_536_000_000 })],
    ['a lifetime that is no number', entry({ publicKey: stranger.publicKeyPem, lifetime: '300000' })],
    ['a fetch in the future', entry({ publicKey: stranger.publicKeyPem, fetchedAt: Date.UTC(2026, 0, 2) })],
    ['a fetch at no time', entry({ publicKey: stranger.publicKeyPem, fetchedAt: null })],
    [
      'members of a prototype only',
      (good) => JSON.stringify({}).replace('{', `{"__proto__":${JSON.stringify(good)}`),
    ],
  ])('is ignored where it holds %s, and the key is fetched', async (_what, poison) => {
    await instance(store).find(caller.appUuid);
    await settle(...instances);
    const [[name, good]] = [...store.entries] as [[string, string]];
    store.entries.set(name, poison(JSON.parse(good) as object));
    const cache = instance(store);
    expect((await cache.find(caller.appUuid))?.equals(caller.publicKey)).toBe(true);
    expect(service.fetches()).toBe(2);
    await settle(...instances);
    expect(store.entries.get(name)).toBe(good);
  });

  it.each<[string, () => unknown]>([
    ['rejects', () => Promise.reject(new Error('secret-host:6379 refused'))],
    ['hangs', () => new Promise(() => undefined)],
  ])('that %s delays one request by its own deadline and is then left alone', async (_how, behave) => {
    const logger = collectingLogger();
    const cache = instance(store, { logger });
    store.behave = behave;
    const [outcome, took] = await timed(() => outcomeOf(cache.find(caller.appUuid)));
    expect(outcome).toBe('key');
    expect(took).toBeLessThan(400);
    await settle(...instances);
    const { calls } = store;
    await cache.find(own.appUuid);
    expect(store.calls).toBe(calls);
    expect(logger.lines).toEqual([expect.stringMatching(/`keys\.secondLevel`.*left alone/)]);
    expect(logger.lines.join()).not.toContain('secret-host');

    store.behave = () => undefined;
    clock.advance(13);
    cache.clear();
    await cache.find(own.appUuid);
    expect(store.calls).toBeGreaterThan(calls);
  });

  it('may throw at once instead of rejecting', async () => {
    const broken = {
      get: () => {
        throw new Error('not connected');
      },
      set: () => Promise.resolve(),
    };
    expect(await outcomeOf(instance(broken).find(caller.appUuid))).toBe('key');
  });

  it.each([
    ['delete', { delete: async (key: string) => store.entries.delete(key) }],
    ['del', { del: async (key: string) => store.entries.delete(key) }],
    ['neither', {}],
  ])('forgets a revoked app, be its method to delete %s', async (_name, methods) => {
    const simple = {
      get: (key: string) => store.get(key),
      set: (key: string, value: string, ttl: number) => store.set(key, value, ttl),
      ...methods,
    };
    await instance(simple).find(caller.appUuid);
    await settle(...instances);
    const [first] = instances;
    first?.invalidate(caller.appUuid);
    await settle(...instances);
    expect([...store.entries.values()].filter(Boolean)).toEqual([]);
    await instance(simple).find(caller.appUuid);
    expect(service.fetches()).toBe(2);
  });
});

if (!hasRedisServer)
  console.warn('SKIPPED: no redis-server found, so the tests with a real Redis did not run.');
(hasRedisServer ? describe : describe.skip)('a real Redis as the second level', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await RedisServer.start();
  });
  afterEach(() => redis.close());
  const isStored = async () => {
    const client = redis.client();
    await until(async () => (await client.dbsize()) > 0);
  };

  it('lets two application instances share one fetch', async () => {
    const [first, second] = [instance(redis.store()), instance(redis.store())];
    await first.find(caller.appUuid);
    await isStored();
    expect((await second.find(caller.appUuid))?.equals(caller.publicKey)).toBe(true);
    expect(service.fetches()).toBe(1);
  });

  it('lets its entries end by themselves', async () => {
    await instance(redis.store()).find(caller.appUuid);
    await isStored();
    const client = redis.client();
    const [name = ''] = await client.keys('*');
    expect(name).toMatch(/^nestjs-mauth:key:[0-9a-f]{16}:[-0-9a-f]{36}$/);
    const ttl = await client.pttl(name);
    expect(ttl).toBeGreaterThan(3_890_000);
    expect(ttl).toBeLessThanOrEqual(3_900_000);
  });

  it('loses no request when it is killed in mid-run', async () => {
    const caches = [instance(redis.store()), instance(redis.store())];
    let served = 0;
    for (let round = 0; round < 200; round++) {
      if (round === 100) await redis.kill();
      clock.advance(60);
      for (const cache of caches) {
        const [outcome, took] = await timed(() => outcomeOf(cache.find(caller.appUuid)));
        expect(took).toBeLessThan(500);
        if (outcome === 'key') served++;
      }
    }
    expect(served).toBe(400);
  });

  it('loses no request when it stops answering', async () => {
    const cache = instance(redis.store());
    await cache.find(caller.appUuid);
    redis.process.kill('SIGSTOP');
    clock.advance(4000);
    const [outcome, took] = await timed(() => outcomeOf(cache.find(caller.appUuid)));
    expect(outcome).toBe('key');
    expect(took).toBeLessThan(500);
  });

  it('is ignored where an entry is poisoned', async () => {
    await instance(redis.store()).find(caller.appUuid);
    await isStored();
    const client = redis.client();
    const [name = ''] = await client.keys('*');
    await client.set(name, (await client.get(name))?.replace(caller.appUuid, stranger.appUuid) ?? '');
    expect((await instance(redis.store()).find(caller.appUuid))?.equals(caller.publicKey)).toBe(true);
    expect(service.fetches()).toBe(2);
  });
});
