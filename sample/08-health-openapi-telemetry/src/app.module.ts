import { Module } from '@nestjs/common';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { HealthModule } from './health.module.js';
import { RefusalsObserver } from './refusals.observer.js';
import { StudiesController } from './studies.controller.js';

const refusals = new RefusalsObserver();

@Module({
  imports: [
    HealthModule,
    MAuthModule.forRootAsync({
      protect: 'routes',
      useFactory: () => ({ ...mauthOptionsFromEnv(), observers: [refusals] }),
    }),
  ],
  controllers: [StudiesController],
  providers: [{ provide: RefusalsObserver, useValue: refusals }],
})
export class AppModule {}
