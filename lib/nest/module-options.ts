import { type FactoryProvider, type ModuleMetadata, type Provider, type Type } from '@nestjs/common';
import { type MAuthGuard } from './mauth.guard.js';
import { type MAuthOptions } from '../config/options.js';
import { type MAuthHttpOptions } from '../outbound/axios/mauth-http.service.js';

/** The options that a factory of `MAuthModule.forRootAsync` returns: all options but those that shape the module itself. */
export interface MAuthFactoryOptions extends MAuthOptions {
  /**
   * How `MAuthHttpService` sends: defaults for axios, which origins are signed, and whether responses are authenticated.
   * Default: those of axios; every origin is signed; responses are not authenticated.
   *
   * @example
   * http: { timeout: 5000, signedOrigins: ['https://api.example.com'] }
   */
  http?: MAuthHttpOptions;
}

/** Which part of the application is closed to requests that are not authentic; see `MAuthModuleExtras.protect`. */
export type MAuthProtection = 'decorated' | 'routes' | 'everything';

/** The options that shape the module itself. They are needed before a factory runs, so they stand beside `useFactory`. */
export interface MAuthModuleExtras {
  /** Provide to the whole application, so that no other module imports `MAuthModule`. Default true. */
  isGlobal?: boolean;
  /**
   * Which part of the application is closed to requests that are not authentic. Default `decorated`.
   *
   * - `decorated`: handlers with `@RequiresMAuth()` or `@OptionalMAuth()`;
   * - `routes`: every handler but those that are `@Public()`;
   * - `everything`: also all else that the server answers, such as static files, mounted routers and unknown paths. A
   *   gate in front of the application lets nothing pass unsigned but the paths in `exempt`, and the routes of handlers
   *   with `@Public()` or `@OptionalMAuth()`, which must be static.
   */
  protect?: MAuthProtection;
  /**
   * Paths that pass the gate of `protect: 'everything'`, and `MAuthMiddleware`, unsigned: exactly as they stand in the
   * request line, without query. With `everything` they also reach an undecorated handler whose own route is that very
   * path; what `@RequiresMAuth()` protects, it still protects. Default `['/app_status']`.
   */
  exempt?: readonly string[];
  /**
   * A subclass of `MAuthGuard` that decides in its place, under every form of `protect`: at decorators, in front of all
   * handlers, and in the gate, as far as that is `toException`. The module makes the one instance. Default `MAuthGuard`.
   */
  guard?: Type<MAuthGuard>;
  /** Modules with the providers that `guard` or `inject` name. */
  imports?: ModuleMetadata['imports'];
}

/**
 * What `MAuthModule.forRoot` takes.
 *
 * @example
 * const options: MAuthModuleOptions = { ...mauthOptionsFromEnv(), protect: 'routes', v2OnlyAuthenticate: true };
 */
export interface MAuthModuleOptions extends MAuthFactoryOptions, MAuthModuleExtras {}

/**
 * A class that makes options: for `useClass` and `useExisting` of `MAuthModule.forRootAsync`.
 *
 * @example
 * @Injectable()
 * class MAuthConfig implements MAuthOptionsFactory {
 *   constructor(private readonly config: ConfigService) {}
 *   createMAuthOptions() {
 *     return { ...mauthOptionsFromEnv(), mauthUrl: this.config.getOrThrow('MAUTH_URL') };
 *   }
 * }
 */
export interface MAuthOptionsFactory {
  /** Called once, when the application starts. */
  createMAuthOptions(): MAuthFactoryOptions | PromiseLike<MAuthFactoryOptions>;
}

/** Options that are made when the application starts: exactly one of `useFactory`, `useClass`, `useExisting`. */
export interface MAuthModuleAsyncOptions extends MAuthModuleExtras {
  /** Makes the options; it is called with what `inject` names. */
  // The types of what is injected are the factory's own business, as for every factory provider of Nest.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  useFactory?: (...dependencies: any[]) => MAuthFactoryOptions | PromiseLike<MAuthFactoryOptions>;
  /** A class of which the module makes an instance. */
  useClass?: Type<MAuthOptionsFactory>;
  /** A class of which the application has an instance already. */
  useExisting?: Type<MAuthOptionsFactory>;
  /** Tokens of the providers that `useFactory` is called with. */
  inject?: FactoryProvider['inject'];
  /** Providers that `inject` or the class needs and that no imported module has. */
  extraProviders?: Provider[];
}
