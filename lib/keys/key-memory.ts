import { type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type MAuthSettings } from '../config/options.js';
import { Cooldown, elapsedSince, type Moment } from '../service/cooldown.js';

/** Also for `no-store`: without a floor, each request would ask the MAuth service. Milliseconds, as all below. */
const FLOOR = 300_000;
/** A key that was revoked must not go on for longer. */
const CAP = 3_600_000;
/** From this share of its lifetime on, a key that is in use is fetched again in the background. */
const REFRESH_FROM = 0.8;
/** Spread over this much of it, so that keys fetched together are not all fetched again together. */
const REFRESH_SPREAD = 0.1;

/** How long a key is good, from what its source says. */
export function lifetimeOf(maxAgeSeconds = 0): number {
  const lifetime = maxAgeSeconds * 1000;
  return lifetime > FLOOR ? Math.min(lifetime, CAP) : FLOOR;
}

/** Whether this can have come from `lifetimeOf`. */
export function isLifetime(lifetime: number): boolean {
  return lifetime >= FLOOR && lifetime <= CAP;
}

/** At which age a key is due to be fetched again. */
export function refreshAge(lifetime: number): number {
  return lifetime * (REFRESH_FROM + REFRESH_SPREAD * Math.random());
}

/** A key with the time of the fetch that brought it, and for how long it was good then, in milliseconds. */
export interface DatedKey {
  readonly key: KeyObject;
  readonly fetchedAt: Moment;
  readonly lifetime: number;
}

/** A look-up that failed: until when the app is left alone, and the error to answer with meanwhile. */
interface LookupFailure {
  readonly cooldown: Cooldown;
  readonly error: Error;
}

/** A key in memory, and what was learned about its app since. */
export class KeyRecord implements DatedKey {
  readonly key: KeyObject;
  readonly fetchedAt: Moment;
  readonly lifetime: number;
  /** From which age on it is fetched again in the background. */
  readonly refreshAge: number;
  /** Of the last look-up. */
  failure: LookupFailure | undefined;
  /** A signature did not match, and a newer key was asked for. */
  newerAsked: Cooldown | undefined;

  constructor({ key, fetchedAt, lifetime }: DatedKey, newerAsked?: Cooldown) {
    this.key = key;
    this.fetchedAt = fetchedAt;
    this.lifetime = lifetime;
    this.refreshAge = refreshAge(lifetime);
    this.newerAsked = newerAsked;
  }
}

/** An app without a key: there is no such app, or (with an error) the look-up failed. */
export class AbsenceRecord {
  constructor(
    readonly cooldown: Cooldown,
    readonly error?: Error,
  ) {}
}

/** The record of one app. */
export type AppRecord = KeyRecord | AbsenceRecord;

/**
 * What a record means now:
 *
 * - `fresh`: the key is good;
 * - `due`: the key is good, and it is time to fetch it again, so that it is replaced before it expires;
 * - `stale`: the key is past its lifetime, and may serve where the source cannot tell;
 * - `expired`: not even that;
 * - `absent`: there is no such app;
 * - `failing`: there is no key, and the last look-up failed a moment ago;
 * - `unknown`: nothing that counts any more.
 */
export type RecordState = 'fresh' | 'due' | 'stale' | 'expired' | 'absent' | 'failing' | 'unknown';

/** Of `keys.maxEntries`, the share that stays for keys which have verified nothing yet. */
const SHARE_OF_UNVERIFIED = 0.1;

/** Made-up apps end up among the absences and only there, so they push out nothing but each other. */
const MAX_ABSENCES = 10_000;

/** No options at all: not even those that something in the process has written to `Object.prototype`. */
const NO_OPTIONS = Object.create(null) as Record<never, never>;

/** At most so many; the least recently used goes first. */
function records<Kind extends AppRecord>(max: number): LRUCache<string, Kind> {
  return new LRUCache<string, Kind>(Object.assign(Object.create(null), { max }) as { max: number });
}

/** The records of all apps, and for how long they count. It asks no source. */
export class KeyMemory {
  readonly #settings: Pick<MAuthSettings, 'now' | 'keys'>;
  /** Keys that have verified a signature, and those of apps that the options name. */
  readonly #verified: LRUCache<string, KeyRecord>;
  /**
   * All others. Any caller can name the UUIDs of registered apps and sign with junk, so these keys push out each other
   * and none of the verified ones.
   */
  readonly #unverified: LRUCache<string, KeyRecord>;
  readonly #absences = records<AbsenceRecord>(MAX_ABSENCES);

  constructor(settings: Pick<MAuthSettings, 'now' | 'keys'>) {
    this.#settings = settings;
    const { maxEntries } = settings.keys;
    this.#verified = records(maxEntries);
    this.#unverified = records(maxEntries);
  }

  /** How many keys there are. */
  get size(): number {
    return this.#verified.size + this.#unverified.size;
  }

  /** The keys, with the UUIDs of their apps. */
  *entries(): Generator<[appUuid: string, record: KeyRecord]> {
    yield* this.#verified.entries();
    yield* this.#unverified.entries();
  }

  has(appUuid: string): boolean {
    return this.isVerified(appUuid) || this.#unverified.has(appUuid, NO_OPTIONS);
  }

  /** Whether a key of the app has verified a signature, or the options name the app. */
  isVerified(appUuid: string): boolean {
    return this.#verified.has(appUuid, NO_OPTIONS);
  }

  /** The record of the app; keeps a key from being the next to make room. */
  use(appUuid: string): AppRecord | undefined {
    return (
      this.#verified.get(appUuid, NO_OPTIONS) ??
      this.#unverified.get(appUuid, NO_OPTIONS) ??
      this.#absences.get(appUuid, NO_OPTIONS)
    );
  }

  /** The key of the app, also one past its lifetime. */
  peek(appUuid: string): KeyRecord | undefined {
    return this.#verified.peek(appUuid, NO_OPTIONS) ?? this.#unverified.peek(appUuid, NO_OPTIONS);
  }

  /** The state of a record now. Written so that a clock that answers NaN makes every key expired. */
  stateOf(record: AppRecord | undefined): RecordState {
    if (!record) return 'unknown';
    if (record instanceof AbsenceRecord) {
      if (!record.cooldown.lasts) return 'unknown';
      return record.error ? 'failing' : 'absent';
    }
    const { refreshAge, lifetime } = record;
    const age = elapsedSince(record.fetchedAt, this.#settings.now);
    if (age < refreshAge) return 'fresh';
    if (age < lifetime) return 'due';
    return age < lifetime + this.#settings.keys.staleIfErrorSeconds * 1000 ? 'stale' : 'expired';
  }

  /** A key of the app has verified a signature. */
  noteVerified(appUuid: string): void {
    if (this.#verified.has(appUuid, NO_OPTIONS)) return;
    const key = this.#unverified.peek(appUuid, NO_OPTIONS);
    if (!key) return;
    this.#unverified.delete(appUuid);
    this.#verified.set(appUuid, key, NO_OPTIONS);
    this.#makeRoom();
  }

  /** @param isNamed by the options */
  admit(appUuid: string, found: DatedKey, isNamed: boolean): KeyRecord {
    const before = this.peek(appUuid);
    // The same key stays the same object, so that what was derived from it stays good.
    const key = before?.key.equals(found.key) ? before.key : found.key;
    const admitted = new KeyRecord({ ...found, key }, before?.newerAsked);
    const keys = isNamed || this.isVerified(appUuid) ? this.#verified : this.#unverified;
    keys.set(appUuid, admitted, NO_OPTIONS);
    this.#makeRoom();
    this.#absences.delete(appUuid);
    return admitted;
  }

  /** There is no such app, or no longer. */
  noteAbsence(appUuid: string): void {
    this.#forgetKey(appUuid);
    const { now, keys } = this.#settings;
    const absence = new AbsenceRecord(new Cooldown(now, keys.negativeSeconds * 1000));
    this.#absences.set(appUuid, absence, NO_OPTIONS);
  }

  /** A look-up failed, so the app is left alone for a while. */
  noteFailure(appUuid: string, error: Error): void {
    const cached = this.peek(appUuid);
    if (cached) cached.failure = { cooldown: this.#cooldown(), error };
    else this.#absences.set(appUuid, new AbsenceRecord(this.#cooldown(), error), NO_OPTIONS);
  }

  /** A newer key is asked for. */
  noteNewerAsked(cached: KeyRecord): void {
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

  #cooldown(): Cooldown {
    return Cooldown.jittered(this.#settings.now, this.#settings.keys.cooldownSeconds * 1000);
  }
}
