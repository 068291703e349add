import { type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type MAuthSettings } from '../mauth.options.js';
import { BoundedKeySource, leftAlone, NotAskedError } from './bounded-key-source.js';
import { refreshAge } from './key-lifetime.js';
import { jitteredPause, lasts, PAUSES_OF_NEWS, type Pause } from './pause.js';
import { type PublicKeys, type PublicKeySource } from './public-key-source.js';
import { SharedKeyStore, type DatedKey } from './shared-key-store.js';

/** What a cache of keys has done since it was made. */
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

/** A look-up that failed: until when the app is left alone, and the error to answer with meanwhile. */
interface LookupFailure {
  readonly pause: Pause;
  readonly error: Error;
}

/** A key in memory, and what was learned about its app since. */
interface CachedKey extends DatedKey {
  /** From which age on it is fetched again in the background. */
  readonly refreshAge: number;
  /** Of the last look-up. */
  failure?: LookupFailure;
  /** A signature did not match, and a newer key was asked for. */
  newerAsked?: Pause;
}

/** An app without a key: there is no such app, or the look-up failed. */
type Absence = Pick<LookupFailure, 'pause'> & Partial<LookupFailure>;

/** Made-up apps end up among the absences and only there, so they push out nothing but each other. */
const MAX_ABSENCES = 10_000;

/**
 * Public keys in memory, in front of the MAuth service or `findPublicKey`. It asks for each app once at a time, asks
 * again before a key expires, serves on while the service is down, and leaves a failing service alone.
 *
 * @example
 * const keys = app.get(MAuthKeyCache);
 * keys.invalidate('5ff4257e-9c16-11e0-b048-0026bbfffe5e'); // the next request fetches the key anew
 * metrics.gauge('mauth.keys.stale', keys.stats().stale);
 */
export class MAuthKeyCache implements PublicKeys {
  readonly #settings: MAuthSettings;
  readonly #source: BoundedKeySource;
  readonly #shared: SharedKeyStore | undefined;
  readonly #known: LRUCache<string, CachedKey>;
  readonly #absent = new LRUCache<string, Absence>({ max: MAX_ABSENCES });
  readonly #lookups = new Map<string, Promise<KeyObject | undefined>>();
  /** Apps that the options name: nobody made them up. */
  readonly #named: ReadonlySet<string>;
  readonly #cooldownMs: number;
  readonly #staleMs: number;
  readonly #counts = { hits: 0, misses: 0, stale: 0, negativeHits: 0 };

  constructor(settings: MAuthSettings, source: PublicKeySource) {
    const { maxEntries, cooldownSeconds, staleIfErrorSeconds, secondLevel, warmUp } = settings.keys;
    this.#settings = settings;
    this.#source = new BoundedKeySource(settings, source);
    this.#shared = secondLevel && new SharedKeyStore(secondLevel, settings);
    this.#known = new LRUCache({ max: maxEntries });
    this.#named = new Set(
      [...warmUp, ...Object.values(settings.apps)].map((appUuid) => appUuid.toLowerCase()),
    );
    this.#cooldownMs = cooldownSeconds * 1000;
    this.#staleMs = staleIfErrorSeconds * 1000;
  }

  find(appUuid: string): KeyObject | undefined | Promise<KeyObject | undefined> {
    const cached = this.#known.get(appUuid);
    if (!cached) return this.#findAbsent(appUuid);
    const age = this.#age(cached);
    if (!(age < cached.lifetime)) return this.#findExpired(appUuid, cached);
    this.#counts.hits++;
    if (age >= cached.refreshAge) this.#refresh(appUuid, cached);
    return cached.key;
  }

  async findNewer(appUuid: string, used: KeyObject): Promise<KeyObject | undefined> {
    try {
      const pending = this.#lookups.get(appUuid);
      if (pending) await pending;
      const cached = this.#known.get(appUuid);
      const newest = cached?.key.equals(used) ? this.#askAgain(appUuid, cached) : this.find(appUuid);
      const key = await newest;
      return key?.equals(used) ? undefined : key;
    } catch {
      return undefined; // Not to know of a newer key leaves the answer as it is.
    }
  }

  /** Forgets what is known of the app, here and in the second level; the next request fetches its key anew. */
  invalidate(appUuid: string): void {
    const lowerCase = appUuid.toLowerCase();
    this.#known.delete(lowerCase);
    this.#absent.delete(lowerCase);
    this.#lookups.delete(lowerCase); // Its answer may be older than this call.
    void this.#shared?.remove(lowerCase);
  }

  /** Forgets all apps, in memory only: the second level keeps what it holds. */
  clear(): void {
    this.#known.clear();
    this.#absent.clear();
    this.#lookups.clear();
  }

  stats(): MAuthKeyCacheStats {
    return { ...this.#counts, ...this.#source.counts, size: this.#known.size, pending: this.#lookups.size };
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
    this.#source.close();
  }

  #age({ fetchedAt }: DatedKey): number {
    // A clock that is set back makes a key older, not younger.
    return Math.abs(this.#settings.now() - fetchedAt);
  }

  #lasts(pause: Pause | undefined): boolean {
    return lasts(pause, this.#settings.now());
  }

  #findAbsent(appUuid: string): undefined | Promise<KeyObject | undefined> {
    const absence = this.#absent.get(appUuid);
    if (!absence || !this.#lasts(absence.pause)) return this.#lookUpOrServeStale(appUuid);
    this.#counts.negativeHits++;
    return absence.error && Promise.reject(absence.error);
  }

  /** The key is past its lifetime: it serves on only while the source cannot tell. */
  #findExpired(appUuid: string, cached: CachedKey): KeyObject | Promise<KeyObject | undefined> {
    if (!this.#mayServeStale(cached) || !this.#isKnownToFail(appUuid, cached))
      return this.#lookUpOrServeStale(appUuid);
    this.#refresh(appUuid, cached);
    return this.#serveStale(cached);
  }

  async #lookUpOrServeStale(appUuid: string): Promise<KeyObject | undefined> {
    this.#counts.misses++;
    try {
      return await (this.#source.isDown ? this.#lookUpWhileDown(appUuid) : this.#lookUp(appUuid));
    } catch (error) {
      const cached = this.#known.peek(appUuid);
      if (cached && this.#mayServeStale(cached)) return this.#serveStale(cached);
      throw error;
    }
  }

  /** Nobody waits for a source that is down: what is asked to see whether it is back is asked in the background. */
  async #lookUpWhileDown(appUuid: string): Promise<KeyObject | undefined> {
    if (this.#source.mayAsk) this.#lookUp(appUuid).catch(() => undefined);
    const found = await this.#shared?.read(appUuid);
    if (found && !this.#known.has(appUuid)) this.#admit(appUuid, found);
    const cached = this.#known.peek(appUuid);
    if (cached && this.#age(cached) < cached.lifetime) return cached.key;
    throw leftAlone();
  }

  #mayServeStale(cached: CachedKey): boolean {
    return this.#staleMs > 0 && this.#age(cached) < cached.lifetime + this.#staleMs;
  }

  #serveStale({ key }: CachedKey): KeyObject {
    this.#counts.stale++;
    return key;
  }

  /** Whether the last word about the key was that the source cannot tell, so that nobody need wait for it again. */
  #isKnownToFail(appUuid: string, { failure }: CachedKey): boolean {
    if (this.#source.isDown || !this.#source.mayAsk) return true;
    if (!failure) return false;
    return (
      this.#lookups.has(appUuid) ||
      this.#lasts({ ...failure.pause, span: failure.pause.span * PAUSES_OF_NEWS })
    );
  }

  /** In the background; nobody waits for it. */
  #refresh(appUuid: string, { failure }: CachedKey): void {
    if (this.#lookups.has(appUuid) || this.#lasts(failure?.pause) || !this.#source.mayAsk) return;
    this.#lookUp(appUuid).catch(() => undefined); // The failure is written down with the key.
  }

  /** Asks the source itself for a newer key: the second level may hold the one that has just failed. */
  #askAgain(appUuid: string, cached: CachedKey): Promise<KeyObject | undefined> | undefined {
    if (this.#lasts(cached.newerAsked) || this.#lasts(cached.failure?.pause) || !this.#source.mayAsk)
      return undefined;
    cached.newerAsked = jitteredPause(this.#settings.now(), this.#cooldownMs);
    return this.#startLookup(appUuid, undefined);
  }

  /** Joins the look-up that is under way, or starts one. */
  #lookUp(appUuid: string): Promise<KeyObject | undefined> {
    const pending = this.#lookups.get(appUuid);
    if (pending) return pending;
    const failure = this.#known.peek(appUuid)?.failure;
    if (failure && this.#lasts(failure.pause)) return Promise.reject(failure.error);
    return this.#startLookup(appUuid, this.#shared);
  }

  #startLookup(appUuid: string, shared: SharedKeyStore | undefined): Promise<KeyObject | undefined> {
    const isCurrent = () => this.#lookups.get(appUuid) === lookup;
    const lookup: Promise<KeyObject | undefined> = this.#perform(appUuid, shared, isCurrent).finally(() => {
      if (isCurrent()) this.#lookups.delete(appUuid);
    });
    this.#lookups.set(appUuid, lookup);
    return lookup;
  }

  /** @param isCurrent whether the outcome is still to be kept: not so after `invalidate` or `clear` */
  async #perform(appUuid: string, shared: SharedKeyStore | undefined, isCurrent: () => boolean) {
    const started = performance.now();
    const found = await shared?.read(appUuid);
    if (found && this.#sparesFetch(appUuid, found))
      return isCurrent() ? this.#admit(appUuid, found) : found.key;
    const kind = this.#known.has(appUuid) || this.#named.has(appUuid) ? 'known' : 'unknown';
    try {
      const fetched = await this.#source.ask(appUuid, kind, started);
      if (!isCurrent()) return fetched?.key;
      return fetched ? this.#admitAndShare(appUuid, fetched) : this.#remove(appUuid);
    } catch (error) {
      if (isCurrent()) this.#noteFailure(appUuid, error as Error, found);
      throw error;
    }
  }

  /** Whether a key from the second level will do: good, not due to be fetched again, and newer than ours. */
  #sparesFetch(appUuid: string, found: DatedKey): boolean {
    const cached = this.#known.peek(appUuid);
    return this.#age(found) < refreshAge(found.lifetime) && !(cached && cached.fetchedAt >= found.fetchedAt);
  }

  #admit(appUuid: string, { key, fetchedAt, lifetime }: DatedKey): KeyObject {
    const before = this.#known.peek(appUuid);
    // The same key stays the same object, so that whatever was derived from it stays good.
    const kept = before?.key.equals(key) ? before.key : key;
    const { newerAsked } = before ?? {};
    this.#known.set(appUuid, {
      key: kept,
      fetchedAt,
      lifetime,
      refreshAge: refreshAge(lifetime),
      newerAsked,
    });
    this.#absent.delete(appUuid);
    return kept;
  }

  #admitAndShare(appUuid: string, fetched: DatedKey): KeyObject {
    void this.#shared?.write(appUuid, fetched, fetched.lifetime + this.#staleMs);
    return this.#admit(appUuid, fetched);
  }

  /** There is no such app, or no longer. */
  #remove(appUuid: string): undefined {
    this.#known.delete(appUuid);
    const span = this.#settings.keys.negativeSeconds * 1000;
    this.#absent.set(appUuid, { pause: { since: this.#settings.now(), span } });
    void this.#shared?.remove(appUuid);
  }

  /** @param found a key from the second level, past its best; it may serve for as long as one of ours */
  #noteFailure(appUuid: string, error: Error, found: DatedKey | undefined): void {
    if (found && !this.#known.has(appUuid)) this.#admit(appUuid, found);
    if (error instanceof NotAskedError) return; // There is nothing to cool down from.
    const failure = { pause: jitteredPause(this.#settings.now(), this.#cooldownMs), error };
    const cached = this.#known.peek(appUuid);
    if (cached) cached.failure = failure;
    else this.#absent.set(appUuid, failure);
  }
}
