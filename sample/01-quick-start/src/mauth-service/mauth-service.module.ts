import { Module, type DynamicModule } from '@nestjs/common';
import { MAuthModule } from 'nestjs-mauth';
import { type RegisteredApp } from '../registered-app.js';
import { AppRegistry } from './app-registry.js';
import { SecurityTokensController } from './security-tokens.controller.js';

/**
 * A stand-in for the MAuth service. It authenticates whoever asks it for a key, and looks up the keys for that in its
 * own registry.
 */
@Module({})
export class MAuthServiceModule {
  static withApps(ownApp: RegisteredApp, registry: AppRegistry): DynamicModule {
    return {
      module: MAuthServiceModule,
      imports: [
        MAuthModule.forRoot({
          appUuid: ownApp.appUuid,
          findPublicKey: (appUuid) => registry.publicKeyOf(appUuid),
          logAttempts: false,
          protect: 'everything',
          exempt: [],
        }),
      ],
      controllers: [SecurityTokensController],
      providers: [{ provide: AppRegistry, useValue: registry }],
    };
  }
}
