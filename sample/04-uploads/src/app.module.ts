import { Module } from '@nestjs/common';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { DocumentsController } from './documents.controller.js';

@Module({
  imports: [
    MAuthModule.forRootAsync({
      protect: 'routes',
      useFactory: () => ({
        ...mauthOptionsFromEnv(),
        body: {
          maxHeldBytes: 1024 * 1024, // one body, where a handler says nothing else
          maxHeldBytesTotal: 64 * 1024 * 1024, // all bodies of the process
        },
      }),
    }),
  ],
  controllers: [DocumentsController],
})
export class AppModule {}
