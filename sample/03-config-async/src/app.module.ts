import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { envFilePath, validate } from './configuration.js';
import { StudiesController } from './studies.controller.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, envFilePath, validate }),
    MAuthModule.forRootAsync({
      protect: 'routes',
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        ...mauthOptionsFromEnv(), // after the files were read
        allowedDriftSeconds: Number(config.get('ALLOWED_DRIFT_SECONDS', '300')),
      }),
    }),
  ],
  controllers: [StudiesController],
})
export class AppModule {}
