import {
  Inject,
  Module,
  Optional,
  type DynamicModule,
  type FactoryProvider,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { globalGuards, signResponseGuard } from './global-guards.js';
import { InboundAuthenticator } from './inbound-authenticator.js';
import {
  MAUTH_INBOUND_AUTHENTICATOR,
  MAUTH_MESSAGE_GUARD,
  MAUTH_NEST,
  MAUTH_OPTIONS_OVERRIDE,
  MAUTH_PROTECT,
  MAUTH_RESPONSE_SIGNING,
  MAUTH_SETTINGS,
} from './tokens.js';
import { MAuthGuard } from './mauth.guard.js';
import { MAuthMiddleware } from './mauth.middleware.js';
import { MessageProtection } from './message-protection.js';
import { nestCoreProvider, type NestCore } from './nest-core.js';
import { ResponseSigning } from '../http/response-signing.js';
import { RouteMap } from './route-map.js';
import { MAuthStartUpCheck } from './start-up-check.js';
import { AuthenticationTicketClient } from '../service/authentication-tickets.js';
import { createAuthenticationTickets, createPublicKeys } from '../authentication/authenticator-parts.js';
import { MAuthKeyCache } from '../keys/mauth-key-cache.js';
import { checkSources, configure, resolveExtras, type MAuthConfiguration } from './configuration.js';
import { mauthOptionsFromEnv } from '../config/environment.js';
import { MAuthConfigurationError } from '../config/errors.js';
import {
  type MAuthFactoryOptions,
  type MAuthModuleAsyncOptions,
  type MAuthModuleExtras,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
} from './module-options.js';
import { type MAuthSettings } from '../config/options.js';
import {
  AbsentHttpServiceCheck,
  MAuthHttpService,
  MAUTH_HTTP_OPTIONS,
  mauthHttpProvider,
} from '../outbound/axios/mauth-http.service.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { ownProperties } from '../protocol/own-properties.js';

const MAUTH_CONFIGURATION = Symbol.for('nestjs-mauth:configuration');

type OptionsOverride = (options: MAuthFactoryOptions) => MAuthFactoryOptions;

/**
 * Makes a Nest application sign what it sends and authenticate what it receives. Registered once, in the root module.
 *
 * It provides `MAuthHttpService`, `MAuthSigner`, `MAuthAuthenticator`, `MAuthKeyCache`, `MAuthGuard` and
 * `MAuthMiddleware`.
 *
 * @example
 * @Module({ imports: [MAuthModule.forRoot({ ...mauthOptionsFromEnv(), protect: 'routes' })] })
 * class AppModule {}
 */
@Module({})
export class MAuthModule {
  /**
   * @internal made by Nest alone
   * @throws MAuthConfigurationError where the module is imported without `forRoot()` having been called
   */
  constructor(@Optional() @Inject(MAUTH_SETTINGS) settings?: MAuthSettings) {
    if (settings) return;
    throw new MAuthConfigurationError(
      'MAuthModule is imported without options: call MAuthModule.forRoot() or forRootAsync() in the root module.',
    );
  }

  /**
   * With the options as its argument. Without an argument they come from the environment, when the application starts;
   * with one the environment is not read.
   *
   * @throws MAuthConfigurationError, now or when the application starts, that names the option or variable
   */
  static forRoot(options?: MAuthModuleOptions): DynamicModule {
    const given: Partial<MAuthModuleOptions> = options ?? {};
    const { isGlobal, protect, exempt, guard, imports, ...rest } = ownProperties(given);
    // The options stay in the closure: as the value of a provider the private key could be seen in the container.
    const useFactory = (override: OptionsOverride) =>
      configure(override(options ? (rest as MAuthFactoryOptions) : mauthOptionsFromEnv()));
    return assemble([{ provide: MAUTH_CONFIGURATION, inject: [MAUTH_OPTIONS_OVERRIDE], useFactory }], {
      isGlobal,
      protect,
      exempt,
      guard,
      imports,
    });
  }

  /**
   * With options that are made when the application starts, by a factory or by a class with `createMAuthOptions()`.
   *
   * @throws MAuthConfigurationError, now or when the application starts, that names the option
   *
   * @example
   * MAuthModule.forRootAsync({
   *   protect: 'routes',
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ appUuid: config.getOrThrow('APP_UUID'), … }),
   * })
   */
  static forRootAsync(options: MAuthModuleAsyncOptions): DynamicModule {
    checkSources(options);
    const { extraProviders = [], useClass } = ownProperties(options);
    const providers = [...extraProviders, ...(useClass ? [useClass] : []), configurationFrom(options)];
    return assemble(providers, options);
  }
}

/** Fetches the keys that are wanted from the start, and lets go of the MAuth service when the application ends. */
class MAuthLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly keys: Pick<MAuthKeyCache, 'warmUp' | 'close'> | undefined,
    private readonly tickets: Pick<AuthenticationTicketClient, 'close'> | undefined,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.keys?.warmUp();
  }

  onApplicationShutdown(): void {
    this.keys?.close();
    this.tickets?.close();
  }
}

function configurationFrom(options: MAuthModuleAsyncOptions): FactoryProvider {
  const { useFactory, inject, useClass, useExisting } = ownProperties(options);
  if (useFactory) {
    return {
      provide: MAUTH_CONFIGURATION,
      inject: [MAUTH_OPTIONS_OVERRIDE, ...(inject ?? [])],
      useFactory: async (override: OptionsOverride, ...dependencies: unknown[]) =>
        configure(override(await useFactory(...dependencies))),
    };
  }
  return {
    provide: MAUTH_CONFIGURATION,
    inject: [MAUTH_OPTIONS_OVERRIDE, (useExisting ?? useClass) as NonNullable<typeof useExisting>],
    useFactory: async (override: OptionsOverride, factory: MAuthOptionsFactory) =>
      configure(override(await factory.createMAuthOptions())),
  };
}

function assemble(configuration: Provider[], extras: MAuthModuleExtras): DynamicModule {
  const { isGlobal, protect, exempt, guard, imports } = resolveExtras(extras);
  return {
    module: MAuthModule,
    global: isGlobal,
    imports,
    providers: inheritNothing([
      nestCoreProvider,
      { provide: MAUTH_OPTIONS_OVERRIDE, useValue: (options: MAuthFactoryOptions) => options },
      ...configuration,
      ...CORE_PROVIDERS,
      mauthHttpProvider,
      AbsentHttpServiceCheck,
      { provide: MAUTH_PROTECT, useValue: protect },
      {
        provide: MAUTH_INBOUND_AUTHENTICATOR,
        inject: [MAUTH_NEST, MAUTH_SETTINGS, MAuthAuthenticator, MAUTH_RESPONSE_SIGNING],
        useFactory: (
          { adapterHost }: NestCore,
          settings: MAuthSettings,
          authenticator: MAuthAuthenticator,
          responses: ResponseSigning,
        ) => new InboundAuthenticator(adapterHost, settings, authenticator, { protect, exempt }, responses),
      },
      responseSigning,
      signResponseGuard,
      { provide: MAuthGuard, useClass: guard },
      MAuthMiddleware,
      ...globalGuards(protect),
      MessageProtection,
      RouteMap,
      MAuthStartUpCheck,
    ]),
    // A guard that a decorator brings is made in the module of the controller, so what it injects is exported too.
    exports: [
      MAUTH_SETTINGS,
      MAUTH_INBOUND_AUTHENTICATOR,
      MAUTH_MESSAGE_GUARD,
      MAUTH_NEST,
      MAuthSigner,
      MAuthAuthenticator,
      MAuthKeyCache,
      MAuthGuard,
      MAuthMiddleware,
      MAuthHttpService,
    ],
  };
}

/** Nest looks for `useClass` and others on each provider, and a provider has only one of them. */
function inheritNothing(providers: Provider[]): Provider[] {
  return providers.map((provider) => (typeof provider === 'function' ? provider : ownProperties(provider)));
}

const CORE_PROVIDERS: FactoryProvider[] = [
  {
    provide: MAUTH_SETTINGS,
    inject: [MAUTH_CONFIGURATION],
    useFactory: ({ settings }: MAuthConfiguration) => settings,
  },
  {
    provide: MAuthSigner,
    inject: [MAUTH_CONFIGURATION],
    useFactory: ({ signer }: MAuthConfiguration) => signer,
  },
  {
    provide: MAUTH_HTTP_OPTIONS,
    inject: [MAUTH_CONFIGURATION],
    useFactory: ({ http }: MAuthConfiguration) => http,
  },
  {
    provide: MAuthKeyCache,
    inject: [MAUTH_SETTINGS, MAuthSigner],
    useFactory: createPublicKeys,
  },
  {
    provide: AuthenticationTicketClient,
    inject: [MAUTH_SETTINGS, MAuthSigner],
    // Undefined without `mauthUrl`; the check at start-up says so where it is needed.
    useFactory: createAuthenticationTickets,
  },
  {
    provide: MAuthAuthenticator,
    inject: [MAUTH_SETTINGS, MAuthKeyCache, AuthenticationTicketClient],
    useFactory: (settings: MAuthSettings, keys?: MAuthKeyCache, tickets?: AuthenticationTicketClient) =>
      new MAuthAuthenticator({ settings, keys, tickets }),
  },
  {
    provide: MAuthLifecycle,
    inject: [MAuthKeyCache, AuthenticationTicketClient],
    useFactory: (keys?: MAuthKeyCache, tickets?: AuthenticationTicketClient) =>
      new MAuthLifecycle(keys, tickets),
  },
];

const responseSigning: FactoryProvider = {
  provide: MAUTH_RESPONSE_SIGNING,
  inject: [MAUTH_SETTINGS, MAuthSigner],
  useFactory: (settings: MAuthSettings, signer: MAuthSigner) => new ResponseSigning(settings, signer),
};
