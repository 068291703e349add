import { type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { type MAuthOptions } from '../config/options.js';
import { MAuthModule } from '../nest/mauth.module.js';
import {
  type MAuthFactoryOptions,
  type MAuthModuleAsyncOptions,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
} from '../nest/module-options.js';
import { MAUTH_OPTIONS_OVERRIDE } from '../nest/tokens.js';
import { sharedKeyPair } from './key-pairs.js';
import { publicKeyOfCaller, standardCaller, TestCaller, type TestCallerOptions } from './test-caller.js';

/** What has to do with keys and with the MAuth service. */
const SERVICE_OPTIONS = [
  'privateKey',
  'privateKeyFile',
  'decryptPrivateKey',
  'mauthUrl',
  'findPublicKey',
] as const satisfies readonly (keyof MAuthOptions)[];

/**
 * `MAuthModule` for tests: the real guard, real decorators and real signatures, with keys of its own and without a
 * network. It knows each `caller()` of the process; every other app is unknown.
 *
 * @example
 * const rave = MAuthTestingModule.caller();
 * const module = await Test.createTestingModule({
 *   imports: [MAuthTestingModule.forRoot({ protect: 'routes' })],
 *   controllers: [StudiesController],
 * }).compile();
 */
export class MAuthTestingModule {
  /**
   * @param options those of `MAuthModule.forRoot`, all of them optional; with `mauthUrl` (say, of `FakeMAuthService`)
   * keys are asked for there
   * @throws MAuthConfigurationError that names the option and the remedy
   */
  static forRoot(options: Partial<MAuthModuleOptions> = {}): DynamicModule {
    return MAuthModule.forRoot(forTests(options));
  }

  /** The same forms as `MAuthModule.forRootAsync`; what the factory returns is as optional as in `forRoot`. */
  static forRootAsync(options: MAuthTestingAsyncOptions): DynamicModule {
    const { useFactory, useClass, useExisting, inject = [], extraProviders = [], ...extras } = options;
    const source = useExisting ?? useClass;
    if (!useFactory && !source) return MAuthModule.forRootAsync(options as MAuthModuleAsyncOptions);
    return MAuthModule.forRootAsync({
      ...extras,
      extraProviders: [...extraProviders, ...(useClass ? [useClass] : [])],
      inject: source ? [source as NonNullable<FactoryProvider['inject']>[number]] : inject,
      useFactory: async (...dependencies: unknown[]) =>
        forTests(
          useFactory
            ? await useFactory(...dependencies)
            : await (dependencies[0] as MAuthOptionsFactory).createMAuthOptions(),
        ),
    });
  }

  /** A registered app that calls the application under test. Its `signer` and `sign()` make the headers. */
  static caller(options?: TestCallerOptions): TestCaller {
    return new TestCaller(options);
  }
}

/** As `MAuthModuleAsyncOptions`, with options of which none is required. */
export interface MAuthTestingAsyncOptions extends Omit<MAuthModuleAsyncOptions, 'useFactory'> {
  useFactory?: (
    // As for every factory provider of Nest.
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    ...dependencies: any[]
  ) => Partial<MAuthFactoryOptions> | PromiseLike<Partial<MAuthFactoryOptions>>;
}

/** The part of Nest's `TestingModuleBuilder` that is used here. */
export interface ProviderOverrides {
  overrideProvider(token: unknown): { useValue(value: unknown): unknown };
}

/**
 * For an application that calls `MAuthModule.forRoot` itself: its keys and its MAuth service are replaced by those of
 * `MAuthTestingModule`; all else that it configures stays, `protect` and `guard` included.
 *
 * @param builder what `Test.createTestingModule` returns
 * @param options put in place of the application's, such as `now` or a `replayProtection` without a server
 * @returns the builder
 *
 * @example
 * const module = await overrideMAuth(Test.createTestingModule({ imports: [AppModule] })).compile();
 */
export function overrideMAuth<B extends ProviderOverrides>(
  builder: B,
  options: Partial<MAuthFactoryOptions> = {},
): B {
  builder.overrideProvider(MAUTH_OPTIONS_OVERRIDE).useValue((own: Partial<MAuthFactoryOptions>) => {
    const kept = Object.fromEntries(
      Object.entries(own ?? {}).filter(([name]) => !SERVICE_OPTIONS.some((replaced) => replaced === name)),
    ) as Partial<MAuthFactoryOptions>;
    const { secondLevel: _, ...keys } = kept.keys ?? {};
    return forTests({ ...kept, keys, mode: options.mauthUrl ? kept.mode : 'local', ...options });
  });
  return builder;
}

/** The options, with an app UUID, a private key and somewhere to look up public keys. */
function forTests<O extends Partial<MAuthFactoryOptions>>(options: O): O & MAuthFactoryOptions {
  const own = options.privateKey ?? options.privateKeyFile;
  return {
    appUuid: standardCaller().appUuid,
    ...(own === undefined && { privateKey: sharedKeyPair().privateKey }),
    ...(options.mauthUrl === undefined && { findPublicKey: publicKeyOfCaller }),
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  } as O & MAuthFactoryOptions;
}
