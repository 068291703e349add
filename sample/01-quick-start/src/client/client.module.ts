import { Module, type DynamicModule } from '@nestjs/common';
import { MAuthModule, type MAuthModuleOptions } from 'nestjs-mauth';
import { ClientController } from './client.controller.js';
import { STUDIES_URL } from './studies-url.js';
import { StudiesClient } from './studies.client.js';

/** A service that calls the studies service, and signs requests to no other. */
@Module({})
export class ClientModule {
  static with(options: MAuthModuleOptions, studiesUrl: string): DynamicModule {
    return {
      module: ClientModule,
      imports: [
        MAuthModule.forRoot({
          ...options,
          // MAuth does not cover the host: a signed request that went elsewhere could be passed on to its target.
          http: { signedOrigins: [studiesUrl], validateStatus: () => true },
        }),
      ],
      controllers: [ClientController],
      providers: [StudiesClient, { provide: STUDIES_URL, useValue: studiesUrl }],
    };
  }
}
