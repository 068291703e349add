import { type MAuthReplayStore } from '../config/options.js';

/** Sends one command to Redis as it is written there, and resolves to the answer. */
export type MAuthRedisCommand = (command: string, ...words: string[]) => PromiseLike<unknown>;

/**
 * Remembers signatures in Redis, for several instances of one app: whoever is first, by `SET … NX PX`, may go on.
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
