import KeyvRedis from '@keyv/redis';
import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Keyv } from 'keyv';

/** One Redis for all instances: who can write to it can hand out keys. */
@Injectable()
export class SharedRedis implements OnApplicationShutdown {
  readonly #url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';

  readonly replays = new Redis(this.#url);
  readonly keys = new Keyv({ store: new KeyvRedis(this.#url) });

  async onApplicationShutdown(): Promise<void> {
    this.replays.disconnect();
    await this.keys.disconnect();
  }
}

@Module({ providers: [SharedRedis], exports: [SharedRedis] })
export class RedisModule {}
