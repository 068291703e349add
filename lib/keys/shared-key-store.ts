import { createHash } from 'node:crypto';
import { type MAuthSettings } from '../config/options.js';
import { readPublicKey } from '../protocol/rsa-keys.js';
import { isLifetime, type DatedKey } from './key-memory.js';
import { Cooldown, momentOf } from '../service/cooldown.js';
import { ownProperty } from '../protocol/own-properties.js';
import { TimedOutError, within } from '../service/within.js';

/** Longer than a store in the same network takes; short enough for a store that hangs not to be noticed. */
const DEADLINE_MS = 100;
const MAX_OPEN = 200;
const MAX_ENTRY_LENGTH = 32_768;
/** Clocks of instances differ a little; an entry from further ahead was not written by one of us. */
const MAX_CLOCK_SKEW_MS = 5_000;

/**
 * Public keys in a store that several instances share (the second level). Entries are checked on reading as if they
 * came from the MAuth service, and a store that fails or hangs is left alone for a cool-down: it never breaks or
 * delays authentication. Who can write to the store can hand us keys, so it has to be as trusted as the service.
 */
export class SharedKeyStore {
  readonly #store: NonNullable<MAuthSettings['keys']['secondLevel']>;
  readonly #settings: MAuthSettings;
  readonly #prefix: string;
  #open = 0;
  #cooldown: Cooldown | undefined;

  constructor(store: NonNullable<MAuthSettings['keys']['secondLevel']>, settings: MAuthSettings) {
    this.#store = store;
    this.#settings = settings;
    // Two environments may share one store, but never each other's keys.
    const origin = settings.findPublicKey ? 'findPublicKey' : `${settings.mauthUrl} ${settings.apiVersion}`;
    this.#prefix = `nestjs-mauth:key:${createHash('sha256').update(origin).digest('hex').slice(0, 16)}:`;
  }

  /** The app's key; undefined when there is none, or none that can be trusted, or the store has trouble. */
  async read(appUuid: string): Promise<DatedKey | undefined> {
    const entry = await this.#guarded('reading', () => this.#store.get(this.#prefix + appUuid));
    return readEntry(entry, appUuid, this.#settings.now);
  }

  /** @param keepMs how long the entry may be of use */
  async write(appUuid: string, { key, fetchedAt, lifetime }: DatedKey, keepMs: number): Promise<void> {
    const publicKey = key.export({ format: 'pem', type: 'spki' });
    const entry = JSON.stringify({ appUuid, publicKey, fetchedAt: fetchedAt.wall, lifetime });
    await this.#guarded('writing', () => this.#store.set(this.#prefix + appUuid, entry, keepMs));
  }

  async remove(appUuid: string): Promise<void> {
    const name = this.#prefix + appUuid;
    await this.#guarded('deleting', () => {
      const forget = ownProperty(this.#store, 'delete') ?? ownProperty(this.#store, 'del');
      // A store that cannot delete at all gets an entry that cannot be read, and that ends at once.
      return forget ? forget.call(this.#store, name) : this.#store.set(name, '', 1);
    });
  }

  /** Runs the operation unless the store is being left alone; never rejects. */
  async #guarded(doing: string, operation: () => unknown): Promise<unknown> {
    const { now } = this.#settings;
    if (this.#cooldown?.lasts || this.#open >= MAX_OPEN) return undefined;
    this.#open++;
    try {
      return await within(DEADLINE_MS, operation);
    } catch (error) {
      if (!this.#cooldown?.lasts) this.#report(doing, error);
      this.#cooldown = Cooldown.jittered(now, this.#settings.keys.cooldownSeconds * 1000);
      return undefined;
    } finally {
      this.#open--;
    }
  }

  #report(doing: string, error: unknown): void {
    const why = error instanceof TimedOutError ? `took more than ${DEADLINE_MS} ms` : 'failed';
    this.#settings.logger.warn(
      `The store in \`keys.secondLevel\` ${why} on ${doing}; it is left alone for ` +
        `${this.#settings.keys.cooldownSeconds} s. Keys come from memory and from the MAuth service meanwhile.`,
    );
  }
}

function readEntry(entry: unknown, appUuid: string, now: () => number): DatedKey | undefined {
  if (typeof entry !== 'string' || entry.length > MAX_ENTRY_LENGTH) return undefined;
  try {
    const value: unknown = JSON.parse(entry);
    if (typeof value !== 'object' || value === null || !isEntry(value)) return undefined;
    const { publicKey, fetchedAt, lifetime } = value;
    if (value.appUuid !== appUuid || !isLifetime(lifetime) || !(fetchedAt <= now() + MAX_CLOCK_SKEW_MS)) {
      return undefined;
    }
    return { key: readPublicKey(publicKey), fetchedAt: momentOf(fetchedAt, now), lifetime };
  } catch {
    return undefined; // Neither JSON nor a usable key: as if it were not there.
  }
}

interface Entry {
  appUuid: string;
  publicKey: string;
  fetchedAt: number;
  lifetime: number;
}

function isEntry(value: object): value is Entry {
  const types = { appUuid: 'string', publicKey: 'string', fetchedAt: 'number', lifetime: 'number' };
  return Object.entries(types).every(
    ([name, type]) => Object.hasOwn(value, name) && typeof (value as Record<string, unknown>)[name] === type,
  );
}
