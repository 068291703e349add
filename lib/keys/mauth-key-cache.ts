import { type KeyObject } from 'node:crypto';
import { type MAuthSettings } from '../config/options.js';
import { type LookupKind } from '../service/priority-bulkhead.js';
import { BoundedService, NotAskedError } from '../service/bounded-service.js';
import { moment, type Moment } from '../service/cooldown.js';
import {
  type KeyFetchReason,
  type KeyLookupFailureCode,
  type PublicKeySource,
} from '../service/public-key-source.js';
import { type MAuthUnableToAuthenticateError } from '../config/errors.js';
import { ownProperty } from '../protocol/own-properties.js';
import { KeyMemory, KeyRecord, lifetimeOf, type DatedKey, type RecordState } from './key-memory.js';
import { forgetCache, noteCache } from './live-caches.js';
import { SharedKeyStore } from './shared-key-store.js';

/** The counts of a cache of keys since it was made. */
export interface MAuthKeyCacheStats {
  /** Answered from memory with a key that was good. */
  readonly hits: number;
  /** Had to wait for a look-up. */
  readonly misses: number;
  /** Answered with a key past its lifetime, because the source could not tell. */
  readonly stale: number;
  /** How often the source was asked. */
  readonly fetches: number;
  /** How many of these ended without an answer that could be used. */
  readonly failures: number;
  /** Answered from memory: no such app, or looked up in vain a moment ago. */
  readonly negativeHits: number;
  /** How many keys are in memory. */
  readonly size: number;
  /** How many look-ups are under way. */
  readonly pending: number;
}

/** What the keys in memory are good for now. */
export interface KeyCondition {
  /** How many may serve, also past their lifetime. */
  readonly usable: number;
  /** How many of these are past their lifetime. */
  readonly stale: number;
  /** Whether a request would be answered with one of the latter, because the source was seen to fail. */
  readonly isServingStale: boolean;
  /** When the source last answered. */
  readonly answeredAt: Moment | undefined;
}

/** How one key is looked up. */
interface LookupTerms {
  /** The second level, where it is to be read first. */
  readonly shared: SharedKeyStore | undefined;
  readonly reason: KeyFetchReason;
  /** Whether the outcome is still to be kept: not so after `invalidate` or `clear`. */
  readonly isCurrent: () => boolean;
}

/**
 * Public keys in memory, in front of the MAuth service or `findPublicKey`. It asks for each app once at a time, asks
 * again before a key expires, serves on while the service is down, and leaves a failing service alone.
 *
 * @example
 * const keys = app.get(MAuthKeyCache);
 * keys.invalidate('5ff4257e-9c16-11e0-b048-0026bbfffe5e'); // the next request fetches the key anew
 * metrics.gauge('mauth.keys.stale', keys.stats().stale);
 */
export class MAuthKeyCache {
  readonly #settings: MAuthSettings;
  readonly #source: PublicKeySource;
  readonly #service: BoundedService;
  readonly #shared: SharedKeyStore | undefined;
  readonly #memory: KeyMemory;
  readonly #lookups = new Map<string, Promise<KeyObject | undefined>>();
  /** Apps that the options name: no caller made them up. */
  readonly #named: ReadonlySet<string>;
  readonly #counts = { hits: 0, misses: 0, stale: 0, negativeHits: 0, fetches: 0, failures: 0 };
  #answeredAt: Moment | undefined;

  /** @internal */
  constructor(settings: MAuthSettings, source: PublicKeySource) {
    const { secondLevel, warmUp } = settings.keys;
    this.#settings = settings;
    this.#source = source;
    this.#service = new BoundedService(settings);
    this.#shared = secondLevel && new SharedKeyStore(secondLevel, settings);
    this.#memory = new KeyMemory(settings);
    this.#named = new Set(
      [...warmUp, ...Object.values(settings.apps)].map((appUuid) => appUuid.toLowerCase()),
    );
    noteCache(this);
  }

  /** @internal as in `PublicKeys` */
  find(appUuid: string): KeyObject | undefined | Promise<KeyObject | undefined> {
    const record = this.#memory.use(appUuid);
    const state = this.#memory.stateOf(record);
    if (record instanceof KeyRecord) {
      switch (state) {
        case 'fresh':
          this.#counts.hits++;
          return record.key;
        case 'due':
          this.#counts.hits++;
          this.#refresh(appUuid, record);
          return record.key;
        case 'stale':
          if (!this.#isKnownToFail(appUuid, record)) break;
          this.#refresh(appUuid, record);
          return this.#serveStale(record);
        default:
      }
    } else if (state !== 'unknown') {
      this.#counts.negativeHits++;
      return record?.error && Promise.reject(record.error);
    }
    return this.#lookUpOrServeStale(appUuid);
  }

  /** @internal as in `PublicKeys` */
  async findNewer(appUuid: string, used: KeyObject): Promise<KeyObject | undefined> {
    try {
      const pending = this.#lookups.get(appUuid);
      if (pending) await pending;
      const cached = this.#memory.peek(appUuid);
      const newest = cached?.key.equals(used) ? this.#askAgain(appUuid, cached) : this.find(appUuid);
      const key = await newest;
      return key?.equals(used) ? undefined : key;
    } catch {
      return undefined; // Not to know of a newer key leaves the answer as it is.
    }
  }

  /** The app's key has verified a signature, so it gives way to junk no more. */
  noteVerified(appUuid: string): void {
    this.#memory.noteVerified(appUuid);
  }

  /** Forgets what is known of the app, here and in the second level; the next request fetches its key anew. */
  invalidate(appUuid: string): void {
    const lowerCase = appUuid.toLowerCase();
    this.#memory.forget(lowerCase);
    this.#lookups.delete(lowerCase); // Its answer may be older than this call.
    void this.#shared?.remove(lowerCase);
  }

  /** Forgets all apps, in memory only: the second level keeps what it holds. */
  clear(): void {
    this.#memory.clear();
    this.#lookups.clear();
  }

  /** Counts since the application started, and how many keys there are now: for metrics and health checks. */
  stats(): MAuthKeyCacheStats {
    return { ...this.#counts, size: this.#memory.size, pending: this.#lookups.size };
  }

  /** @internal for health checks, which look at all keys */
  condition(): KeyCondition {
    let [usable, stale, isServingStale] = [0, 0, false];
    for (const [appUuid, record] of this.#memory.entries()) {
      const state = this.#memory.stateOf(record);
      if (state === 'expired') continue;
      usable++;
      if (state !== 'stale') continue;
      stale++;
      isServingStale ||= this.#isKnownToFail(appUuid, record);
    }
    return { usable, stale, isServingStale, answeredAt: this.#answeredAt };
  }

  /** Fetches the keys of the apps in `keys.warmUp`. Never rejects: what fails now is fetched when it is needed. */
  async warmUp(): Promise<void> {
    const apps = this.#settings.keys.warmUp.map((appUuid) => appUuid.toLowerCase());
    const keys = await Promise.all(
      apps.map((appUuid) => Promise.resolve(this.find(appUuid)).catch(() => undefined)),
    );
    const missing = apps.filter((_, index) => !keys[index]);
    if (missing.length === 0) return;
    this.#settings.logger.warn(
      `No public key could be fetched for these apps of \`keys.warmUp\`: ${missing.join(', ')}.`,
    );
  }

  /** Ends look-ups that are under way and closes the connections to the source. */
  close(): void {
    ownProperty(this.#source, 'close')?.call(this.#source);
    forgetCache(this);
  }

  async #lookUpOrServeStale(appUuid: string): Promise<KeyObject | undefined> {
    this.#counts.misses++;
    try {
      return await (this.#service.breaker.isDown ? this.#lookUpWhileDown(appUuid) : this.#lookUp(appUuid));
    } catch (error) {
      const cached = this.#memory.peek(appUuid);
      if (cached && this.#memory.stateOf(cached) !== 'expired') return this.#serveStale(cached);
      throw error;
    }
  }

  /** No request waits for a source that is down: to see whether it is back, it is asked in the background. */
  async #lookUpWhileDown(appUuid: string): Promise<KeyObject | undefined> {
    if (this.#mayAsk) this.#lookUp(appUuid).catch(() => undefined);
    const found = await this.#shared?.read(appUuid);
    if (found && !this.#memory.has(appUuid)) this.#admit(appUuid, found);
    const cached = this.#memory.peek(appUuid);
    if (cached && isGood(this.#memory.stateOf(cached))) return cached.key;
    throw this.#service.leftAlone();
  }

  #serveStale({ key }: KeyRecord): KeyObject {
    this.#counts.stale++;
    return key;
  }

  /** Whether the last word about the key was that the source cannot tell, so that no request need wait for it again. */
  #isKnownToFail(appUuid: string, cached: KeyRecord): boolean {
    if (this.#service.breaker.isDown || !this.#mayAsk) return true;
    return cached.failure !== undefined && (cached.failure.cooldown.isRecent || this.#lookups.has(appUuid));
  }

  /** In the background. */
  #refresh(appUuid: string, { failure }: KeyRecord): void {
    if (this.#lookups.has(appUuid) || failure?.cooldown.lasts || !this.#mayAsk) return;
    this.#lookUp(appUuid).catch(() => undefined); // The failure is written down with the key.
  }

  /** Asks the source itself for a newer key: the second level may hold the one that has just failed. */
  #askAgain(appUuid: string, cached: KeyRecord): Promise<KeyObject | undefined> | undefined {
    const isTooSoon = cached.newerAsked?.lasts || cached.failure?.cooldown.lasts;
    if (isTooSoon || !this.#mayAsk) return undefined;
    this.#memory.noteNewerAsked(cached);
    return this.#startLookup(appUuid, undefined, 'mismatch');
  }

  /** Joins the look-up that is under way, or starts one. */
  #lookUp(appUuid: string): Promise<KeyObject | undefined> {
    const pending = this.#lookups.get(appUuid);
    if (pending) return pending;
    const failure = this.#memory.peek(appUuid)?.failure;
    if (failure?.cooldown.lasts) return Promise.reject(failure.error);
    return this.#startLookup(appUuid, this.#shared, this.#memory.has(appUuid) ? 'refresh' : 'absent');
  }

  #startLookup(
    appUuid: string,
    shared: SharedKeyStore | undefined,
    reason: KeyFetchReason,
  ): Promise<KeyObject | undefined> {
    const isCurrent = () => this.#lookups.get(appUuid) === lookup;
    const terms = { shared, reason, isCurrent };
    const lookup: Promise<KeyObject | undefined> = this.#perform(appUuid, terms).finally(() => {
      if (isCurrent()) this.#lookups.delete(appUuid);
    });
    this.#lookups.set(appUuid, lookup);
    return lookup;
  }

  async #perform(appUuid: string, { shared, reason, isCurrent }: LookupTerms) {
    const started = performance.now();
    const found = await shared?.read(appUuid);
    if (found && this.#sparesFetch(appUuid, found)) {
      return isCurrent() ? this.#admit(appUuid, found).key : found.key;
    }
    const isKnown = this.#memory.has(appUuid);
    try {
      const fetched = await this.#ask(appUuid, reason, started);
      if (!isCurrent()) return fetched?.key;
      if (fetched) return this.#admitAndShare(appUuid, fetched);
      this.#memory.noteAbsence(appUuid);
      // Made-up apps are not there, so they cost the second level no more than the reading.
      if (found || isKnown) void this.#shared?.remove(appUuid);
      return undefined;
    } catch (error) {
      if (isCurrent()) this.#noteFailure(appUuid, error as Error, found);
      throw error;
    }
  }

  /** Whether a key from the second level will do: good, not due to be fetched again, and newer than ours. */
  #sparesFetch(appUuid: string, found: DatedKey): boolean {
    const cached = this.#memory.peek(appUuid);
    const isFresh = this.#memory.stateOf(new KeyRecord(found)) === 'fresh';
    return isFresh && !(cached && cached.fetchedAt.wall >= found.fetchedAt.wall);
  }

  get #mayAsk(): boolean {
    return this.#service.breaker.state !== 'open';
  }

  /** @param started `performance.now()` from which the deadline counts; waiting for a turn is part of it */
  #ask(appUuid: string, reason: KeyFetchReason, started: number): Promise<DatedKey | undefined> {
    return this.#service.ask({
      appUuid,
      kind: this.#kindOf(appUuid),
      goesFirstNextTime: true,
      started,
      failureLine: `The public key of app ${appUuid} could not be fetched`,
      ask: (withinMs) => this.#fetch(appUuid, reason, withinMs),
      isOutage,
    });
  }

  async #fetch(appUuid: string, reason: KeyFetchReason, withinMs: number): Promise<DatedKey | undefined> {
    // Before the question, so that the key was good at this time or later.
    const fetchedAt = moment(this.#settings.now);
    this.#counts.fetches++;
    try {
      const found = await this.#source.fetch(appUuid, reason, withinMs);
      this.#answeredAt = moment(this.#settings.now);
      if (!found) return undefined;
      return { key: found.key, fetchedAt, lifetime: lifetimeOf(ownProperty(found, 'maxAgeSeconds')) };
    } catch (error) {
      this.#counts.failures++;
      throw error;
    }
  }

  /** Any caller can name a registered app: only one that has signed something goes before others. */
  #kindOf(appUuid: string): LookupKind {
    return this.#memory.isVerified(appUuid) || this.#named.has(appUuid) ? 'known' : 'unknown';
  }

  #admit(appUuid: string, key: DatedKey): KeyRecord {
    return this.#memory.admit(appUuid, key, this.#named.has(appUuid));
  }

  #admitAndShare(appUuid: string, fetched: DatedKey): KeyObject {
    const staleMs = this.#settings.keys.staleIfErrorSeconds * 1000;
    void this.#shared?.write(appUuid, fetched, fetched.lifetime + staleMs);
    return this.#admit(appUuid, fetched).key;
  }

  /** @param found a key from the second level, past its best; it may serve for as long as one of ours */
  #noteFailure(appUuid: string, error: Error, found: DatedKey | undefined): void {
    if (found && !this.#memory.has(appUuid)) this.#admit(appUuid, found);
    if (error instanceof NotAskedError) return; // There is nothing to cool down from.
    this.#memory.noteFailure(appUuid, error);
  }
}

function isGood(state: RecordState): boolean {
  return state === 'fresh' || state === 'due';
}

/** All that a caller chooses of a look-up is which UUID is asked about, so it cannot make one of these happen. */
const OUTAGES: ReadonlySet<string> = new Set([
  'service_unavailable',
  'own_app_refused',
] satisfies KeyLookupFailureCode[]);

function isOutage({ code }: MAuthUnableToAuthenticateError): boolean {
  return OUTAGES.has(code);
}
