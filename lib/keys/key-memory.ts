import { LRUCache } from 'lru-cache';
import { type MAuthSettings } from '../config/options.js';
import { refreshAge } from './key-lifetime.js';
import { elapsedSince, moment } from '../service/moment.js';
import { isNews, jitteredPause, lasts, type Pause } from '../service/cooldown.js';
import { type DatedKey } from './shared-key-store.js';

/** A look-up that failed: until when the app is left alone, and the error to answer with meanwhile. */
interface LookupFailure {
  readonly pause: Pause;
  readonly error: Error;
}

/** A key in memory, and what was learned about its app since. */
export interface CachedKey extends DatedKey {
  /** From which age on it is fetched again in the background. */
  readonly refreshAge: number;
  /** Of the last look-up. */
  failure: LookupFailure | undefined;
  /** A signature did not match, and a newer key was asked for. */
  newerAsked: Pause | undefined;
}

/** An app without a key: there is no such app, or (with an error) the look-up failed. */
export interface Absence {
  readonly pause: Pause;
  readonly error: Error | undefined;
}

/** Of `keys.maxEntries`, the share that stays for keys which have verified nothing yet. */
const SHARE_OF_UNVERIFIED = 0.1;

/** Made-up apps end up among the absences and only there, so they push out nothing but each other. */
const MAX_ABSENCES = 10_000;

/** What is known of apps, and for how long it counts. Asks nobody. */
export class KeyMemory {
  readonly #settings: Pick<MAuthSettings, 'now' | 'keys'>;
  /** Keys that have verified a signature, and those of apps that the options name. */
  readonly #verified: LRUCache<string, CachedKey>;
  /**
   * All others. Anybody can name the UUIDs of registered apps and sign with junk, so these keys push out each other
   * and none of the verified ones.
   */
  readonly #unverified: LRUCache<string, CachedKey>;
  readonly #absences = new LRUCache<string, Absence>({ max: MAX_ABSENCES });

  constructor(settings: Pick<MAuthSettings, 'now' | 'keys'>) {
    this.#settings = settings;
    const { maxEntries } = settings.keys;
    this.#verified = new LRUCache({ max: maxEntries });
    this.#unverified = new LRUCache({ max: maxEntries });
  }

  /** How many keys there are. */
  get size(): number {
    return this.#verified.size + this.#unverified.size;
  }

  has(appUuid: string): boolean {
    return this.isVerified(appUuid) || this.#unverified.has(appUuid);
  }

  /** Whether a key of the app has verified a signature, or the options name the app. */
  isVerified(appUuid: string): boolean {
    return this.#verified.has(appUuid);
  }

  /** The key, also one past its lifetime; keeps it from being the next to make room. */
  use(appUuid: string): CachedKey | undefined {
    return this.#verified.get(appUuid) ?? this.#unverified.get(appUuid);
  }

  peek(appUuid: string): CachedKey | undefined {
    return this.#verified.peek(appUuid) ?? this.#unverified.peek(appUuid);
  }

  /** A key of the app has verified a signature. */
  noteVerified(appUuid: string): void {
    if (this.#verified.has(appUuid)) return;
    const key = this.#unverified.peek(appUuid);
    if (!key) return;
    this.#unverified.delete(appUuid);
    this.#verified.set(appUuid, key);
    this.#makeRoom();
  }

  /** The absence of the app, for as long as it counts. */
  absence(appUuid: string): Absence | undefined {
    const absence = this.#absences.get(appUuid);
    return absence && this.lasts(absence.pause) ? absence : undefined;
  }

  lasts(pause: Pause | undefined): boolean {
    return lasts(pause, this.#settings.now);
  }

  isGood(key: DatedKey): boolean {
    return this.#age(key) < key.lifetime;
  }

  /** Whether it is time to fetch the key again, so that it is replaced before it expires. */
  isDue(key: Pick<CachedKey, 'fetchedAt' | 'lifetime' | 'refreshAge'>): boolean {
    // Written so that a clock that answers NaN makes every key due, and none good.
    return !(this.#age(key) < key.refreshAge);
  }

  /** Whether a key past its lifetime may serve, if the source cannot tell. */
  mayServeStale(key: DatedKey): boolean {
    const staleMs = this.#settings.keys.staleIfErrorSeconds * 1000;
    return staleMs > 0 && this.#age(key) < key.lifetime + staleMs;
  }

  /** Whether the last look-up failed, and that is not long ago. */
  hasJustFailed({ failure }: CachedKey): boolean {
    return isNews(failure?.pause, this.#settings.now);
  }

  /** @param isNamed by the options */
  admit(appUuid: string, { key, fetchedAt, lifetime }: DatedKey, isNamed: boolean): CachedKey {
    const before = this.peek(appUuid);
    const admitted: CachedKey = {
      // The same key stays the same object, so that whatever was derived from it stays good.
      key: before?.key.equals(key) ? before.key : key,
      fetchedAt,
      lifetime,
      refreshAge: refreshAge(lifetime),
      failure: undefined,
      newerAsked: before?.newerAsked,
    };
    const keys = isNamed || this.isVerified(appUuid) ? this.#verified : this.#unverified;
    keys.set(appUuid, admitted);
    this.#makeRoom();
    this.#absences.delete(appUuid);
    return admitted;
  }

  /** There is no such app, or no longer. */
  noteAbsence(appUuid: string): void {
    this.#forgetKey(appUuid);
    const span = this.#settings.keys.negativeSeconds * 1000;
    this.#absences.set(appUuid, { pause: { since: moment(this.#settings.now), span }, error: undefined });
  }

  /** A look-up failed, so the app is left alone for a while. */
  noteFailure(appUuid: string, error: Error): void {
    const failure = { pause: this.#cooldown(), error };
    const cached = this.peek(appUuid);
    if (cached) cached.failure = failure;
    else this.#absences.set(appUuid, failure);
  }

  /** A newer key is asked for. */
  noteNewerAsked(cached: CachedKey): void {
    cached.newerAsked = this.#cooldown();
  }

  forget(appUuid: string): void {
    this.#forgetKey(appUuid);
    this.#absences.delete(appUuid);
  }

  clear(): void {
    this.#verified.clear();
    this.#unverified.clear();
    this.#absences.clear();
  }

  #forgetKey(appUuid: string): void {
    this.#verified.delete(appUuid);
    this.#unverified.delete(appUuid);
  }

  /** Keys that have verified nothing may take what the verified ones leave, and a small share in any case. */
  #makeRoom(): void {
    const { maxEntries } = this.#settings.keys;
    const share = Math.max(Math.ceil(maxEntries * SHARE_OF_UNVERIFIED), maxEntries - this.#verified.size);
    while (this.#unverified.size > share) this.#unverified.pop();
  }

  #age({ fetchedAt }: Pick<DatedKey, 'fetchedAt'>): number {
    return elapsedSince(fetchedAt, this.#settings.now);
  }

  #cooldown(): Pause {
    return jitteredPause(this.#settings.now, this.#settings.keys.cooldownSeconds * 1000);
  }
}
