import { createHash } from 'node:crypto';
import { TimedOutError, within } from '../service/within.js';
import { type MAuthReplayStore, type MAuthSettings } from '../config/options.js';
import { type MaybePromise } from './and-then.js';
import { inauthentic, undecided, type MAuthFailure } from './result.js';
import { ReplayMemory } from './replay-memory.js';

type Verdict = MAuthFailure | undefined;

/** Longer than a store in the same network takes, and short of what a caller waits for. */
const DEADLINE_MS = 500;

/**
 * Remembers the signatures that were verified, for as long as their time is accepted, and refuses them when they
 * come again. What it cannot remember, it does not accept.
 */
export class ReplayProtection {
  readonly #settings: MAuthSettings;
  readonly #methods: ReadonlySet<string>;
  readonly #store: MAuthReplayStore;
  readonly #prefix: string;
  /** A time is accepted from `-drift` to `+drift`, both in whole seconds. */
  readonly #milliseconds: number;
  #isStoreFailing = false;

  constructor(settings: MAuthSettings, options: NonNullable<MAuthSettings['replayProtection']>) {
    this.#settings = settings;
    this.#methods = new Set(options.methods);
    this.#store = options.store ?? new ReplayMemory(options.maxEntries);
    this.#prefix = `nestjs-mauth:replay:${settings.appUuid.toLowerCase()}:`;
    this.#milliseconds = (2 * settings.allowedDriftSeconds + 1) * 1000;
  }

  /** Whether requests of this method are looked at. */
  concerns(method: string): boolean {
    return this.#methods.has(method);
  }

  /** Why a request with this signature, which has been verified, is refused; undefined = it is the first one. */
  check(signature: Uint8Array): MaybePromise<Verdict> {
    // As bytes: base64 can be spelled in several ways, and only the bytes were verified.
    const key = this.#prefix + createHash('sha256').update(signature).digest('base64url');
    if (!(this.#store instanceof ReplayMemory)) return this.#ask(this.#store, key);
    try {
      return verdict(this.#store.remember(key, this.#milliseconds));
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #ask(store: MAuthReplayStore, key: string): Promise<Verdict> {
    try {
      const isNew = await within(DEADLINE_MS, () => store.remember(key, this.#milliseconds));
      if (typeof isNew !== 'boolean') throw new TypeError('The store answered neither true nor false.');
      this.#isStoreFailing = false;
      return verdict(isNew);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): MAuthFailure {
    if (!this.#isStoreFailing) this.#settings.logger.error(explanation(error, this.#store));
    this.#isStoreFailing = true;
    return undecided('replay_store_unavailable');
  }
}

function verdict(isNew: boolean): Verdict {
  return isNew ? undefined : inauthentic('replayed');
}

/** The text of a store's own error is not repeated: it may name credentials. */
function explanation(error: unknown, store: MAuthReplayStore): string {
  const consequence = 'Requests that replay protection is for are answered as undecided.';
  if (store instanceof ReplayMemory) {
    return `MAuth: as many signatures as \`replayProtection.maxEntries\` allows are remembered; raise it. ${consequence}`;
  }
  const why = error instanceof TimedOutError ? `took more than ${DEADLINE_MS} ms` : 'failed';
  return `MAuth: the store in \`replayProtection.store\` ${why}. ${consequence}`;
}
