import { Module } from '@nestjs/common';
import { MAuthModule, mauthOptionsFromEnv, redisReplayStore } from 'nestjs-mauth';
import { RedisModule, SharedRedis } from './redis.module.js';
import { StudiesController } from './studies.controller.js';

@Module({
  imports: [
    RedisModule,
    MAuthModule.forRootAsync({
      protect: 'routes',
      imports: [RedisModule],
      inject: [SharedRedis],
      useFactory: ({ replays, keys }: SharedRedis) => ({
        ...mauthOptionsFromEnv(),
        v2OnlyAuthenticate: true, // replay protection needs it: V1 does not cover the query
        // A signature is accepted once, by whichever instance gets it first.
        replayProtection: { store: redisReplayStore((command, ...words) => replays.call(command, ...words)) },
        // A key that one instance has fetched is there for the other.
        keys: { secondLevel: keys },
      }),
    }),
  ],
  controllers: [StudiesController],
})
export class AppModule {}
