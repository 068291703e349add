import { createHash } from 'node:crypto';
import { type MaybePromise } from './maybe-promise.js';
import { inauthentic, type MAuthFailure, undecided } from './result.js';
import { type MAuthReplayStore, type MAuthSettings } from '../config/options.js';
import { TimedOutError, within } from '../service/within.js';

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

/**
 * Remembers in this process. All entries live equally long, so a Map, which keeps the order of insertion, has those
 * that end first in front. A cache that made room by forgetting would accept again what it forgot; this one refuses
 * to remember more, and the request is then undecided.
 *
 * It counts by the monotonic clock: the wall clock can be set forward, which would end every entry, and then back,
 * which would make the times of those requests acceptable again.
 */
export class ReplayMemory implements MAuthReplayStore {
  readonly #ends = new Map<string, number>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** @throws Error when no more can be remembered */
  remember(key: string, milliseconds: number): boolean {
    const now = performance.now();
    this.#forgetEnded(now);
    if (this.#ends.has(key)) return false;
    if (this.#ends.size >= this.#maxEntries) {
      throw new Error('`replayProtection.maxEntries` signatures are remembered already; raise it.');
    }
    this.#ends.set(key, now + milliseconds);
    return true;
  }

  #forgetEnded(now: number): void {
    for (const [key, end] of this.#ends) {
      if (end > now) return;
      this.#ends.delete(key);
    }
  }
}

/** Sends one command to Redis as it is written there, and resolves to the answer. */
export type MAuthRedisCommand = (command: string, ...words: string[]) => PromiseLike<unknown>;

/**
 * Remembers signatures in Redis, for several instances of one app: the first request, by `SET … NX PX`, may go on.
 * Redis must not evict (`maxmemory-policy noeviction`), since what it forgets early would be accepted again; it counts
 * by the clock of its own machine, which must not jump either.
 *
 * @param command how your client sends a command
 *
 * @example
 * const redis = new Redis(); // ioredis
 * const store = redisReplayStore((command, ...words) => redis.call(command, ...words));
 * MAuthModule.forRoot({ ...mauthOptionsFromEnv(), v2OnlyAuthenticate: true, replayProtection: { store } });
 *
 * @example
 * const client = await createClient().connect(); // redis
 * const store = redisReplayStore((...words) => client.sendCommand(words));
 */
export function redisReplayStore(command: MAuthRedisCommand): MAuthReplayStore {
  return {
    async remember(key, milliseconds) {
      const answer = await command('SET', key, '1', 'NX', 'PX', String(milliseconds));
      if (String(answer) === 'OK') return true;
      if (answer === null) return false;
      throw new Error('Redis answered SET with something else than OK or nil.');
    },
  };
}
