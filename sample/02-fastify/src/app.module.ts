import { Module } from '@nestjs/common';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { StatusController } from './status.controller.js';
import { StudiesController } from './studies.controller.js';

@Module({
  imports: [
    MAuthModule.forRootAsync({
      protect: 'everything', // unknown paths and what plugins add, too
      exempt: ['/app_status'], // for the load balancer; it is the default
      useFactory: () => mauthOptionsFromEnv(),
    }),
  ],
  controllers: [StatusController, StudiesController],
})
export class AppModule {}
