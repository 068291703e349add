import { Module } from '@nestjs/common';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { StudiesController } from './studies.controller.js';

@Module({
  imports: [MAuthModule.forRootAsync({ protect: 'routes', useFactory: () => mauthOptionsFromEnv() })],
  controllers: [StudiesController],
})
export class AppModule {}
