import { type ArgumentsHost, type FactoryProvider } from '@nestjs/common';
import {
  ApplicationConfig,
  BaseExceptionFilter,
  DiscoveryService,
  HttpAdapterHost,
  ModuleRef,
  ModulesContainer,
} from '@nestjs/core';
import { MAuthConfigurationError } from '../config/errors.js';
import { ownProperty } from '../protocol/own-properties.js';
import { MAuthUnauthorizedException } from './mauth.exceptions.js';
import { MAUTH_NEST } from './tokens.js';

/** The services that are taken from the core of Nest. It is asked for in this one place, so it is there that copies are told apart. */
export class NestCore {
  readonly discovery: DiscoveryService;

  constructor(
    readonly adapterHost: HttpAdapterHost,
    readonly modules: ModulesContainer,
    readonly config: ApplicationConfig,
    /** Of MAuth's own module. */
    readonly moduleRef: ModuleRef,
  ) {
    // Not by DiscoveryModule: it could not be made where there are two copies, and Nest would not say why.
    this.discovery = new DiscoveryService(modules);
  }
}

const TOKENS = [HttpAdapterHost, ModulesContainer, ApplicationConfig, ModuleRef] as const;

/**
 * Fails where Nest is there twice. Classes are tokens and exceptions are told by their class, so what comes from one
 * copy is unknown to the other: nothing could be injected, and each refusal would be a 500.
 */
export const nestCoreProvider: FactoryProvider<NestCore> = {
  provide: MAUTH_NEST,
  inject: TOKENS.map((token) => ({ token, optional: true })),
  useFactory: (...found: readonly unknown[]) => {
    if (found.includes(undefined)) throw twoCopies('@nestjs/core');
    if (!isKnownToNest(new MAuthUnauthorizedException())) throw twoCopies('@nestjs/common');
    return new NestCore(...(found as unknown as ConstructorParameters<typeof NestCore>));
  },
};

/** Nest's record of one provider or controller. */
export type ProviderWrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** Whether it is a class that Nest makes an instance of; others have a factory there, or nothing. */
export function isClass(wrapper: Pick<ProviderWrapper, 'metatype' | 'inject'>): boolean {
  return typeof wrapper.metatype === 'function' && !ownProperty(wrapper, 'inject');
}

/** Asks Nest's own filter, as a handler that throws would. */
function isKnownToNest(exception: Error): boolean {
  let isKnown = true;
  class ProbingFilter extends BaseExceptionFilter {
    override handleUnknownError(): void {
      isKnown = false;
    }
  }
  const adapter = { isHeadersSent: () => true, end: () => undefined };
  const host = { getArgByIndex: () => undefined };
  new ProbingFilter(adapter as never).catch(exception, host as unknown as ArgumentsHost);
  return isKnown;
}

function twoCopies(name: string): MAuthConfigurationError {
  return new MAuthConfigurationError(
    `There are two copies of ${name}: nestjs-mauth has found another one than the application runs on, so neither ` +
      'knows what comes from the other. `npm ls @nestjs/core @nestjs/common` shows where they are. Bring them together: ' +
      'with version ranges that allow for one version and `npm dedupe`; for a linked package, with packages of Nest in ' +
      'the application only; for a bundler, by leaving both Nest and nestjs-mauth out of the bundle, or neither.',
  );
}
