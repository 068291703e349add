/** Never run: what a strict compiler makes of the types alone. */
import { Injectable, type ExecutionContext } from '@nestjs/common';
import {
  MAuthGuard,
  MAuthModule,
  mauthOptionsFromEnv,
  type MAuthFactoryOptions,
  type MAuthIdentity,
  type MAuthModuleAsyncOptions,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
} from 'nestjs-mauth';
// @ts-expect-error One type has this name, and it is the module's.
import { type MAuthModuleOptions as _OfTheCore } from 'nestjs-mauth/core';
import { type MAuthOptions } from 'nestjs-mauth/core';

export const synchronous: MAuthModuleOptions = {
  ...mauthOptionsFromEnv(),
  http: { baseURL: 'https://api.example.com', signedOrigins: ['https://api.example.com'] },
  isGlobal: true,
  protect: 'everything',
  exempt: ['/app_status'],
};

@Injectable()
export class Factory implements MAuthOptionsFactory {
  createMAuthOptions(): MAuthFactoryOptions | PromiseLike<MAuthFactoryOptions> {
    const core: MAuthOptions = mauthOptionsFromEnv();
    return { ...core, http: { timeout: 1000 } };
  }
}

export const asynchronous: MAuthModuleAsyncOptions = {
  protect: 'routes',
  useFactory: () => ({ ...mauthOptionsFromEnv(), http: {} }),
};

export const misplaced: MAuthModuleAsyncOptions = {
  // @ts-expect-error It stands beside the factory.
  useFactory: (): MAuthFactoryOptions => ({ ...mauthOptionsFromEnv(), protect: 'routes' }),
};

@Injectable()
export class AuditedGuard extends MAuthGuard {
  protected override onAuthenticated(_context: ExecutionContext, { appUuid }: MAuthIdentity): void {
    if (appUuid === '') throw new Error('an identity always names its app');
  }
}

export const modules = [
  MAuthModule.forRoot(),
  MAuthModule.forRoot(synchronous),
  MAuthModule.forRootAsync(asynchronous),
  MAuthModule.forRootAsync({ useClass: Factory }),
];
