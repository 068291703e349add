import { Inject, Injectable, Scope, type InjectionToken, type OnModuleInit } from '@nestjs/common';
import { type DiscoveryService, MetadataScanner, type ModuleRef } from '@nestjs/core';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type AnyClass } from './access-metadata.js';
import { type HandlerPlace } from './access-policy.js';
import { type ApplicationGuard } from './application-guard.js';
import { refuseOpenGateways } from './gateway-check.js';
import { refuseIneffectiveGuards } from './guard-check.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import {
  MAUTH_INBOUND_AUTHENTICATOR,
  MAUTH_NEST,
  MAUTH_PROTECT,
  MAUTH_RESPONSE_SIGNING,
  MAUTH_SETTINGS,
} from './tokens.js';
import { MAuthGuard } from './mauth.guard.js';
import { type NestCore } from './nest-core.js';
import { type ResponseSigning } from '../http/response-signing.js';
import { RouteMap } from './route-map.js';
import { isSignResponse } from './sign-response.decorator.js';
import { isClass } from './provider-wrapper.js';

/**
 * Refuses to start an application that would be less protected than its code says. It depends on nothing that comes
 * from options: Nest calls no hooks on what is bound to requests, and that is one of the mistakes to be found.
 */
@Injectable()
export class MAuthStartUpCheck implements OnModuleInit {
  private readonly moduleRef: ModuleRef;
  private readonly discovery: DiscoveryService;

  constructor(
    @Inject(MAUTH_NEST) { moduleRef, discovery }: NestCore,
    @Inject(MAUTH_PROTECT) private readonly protect: string,
  ) {
    this.moduleRef = moduleRef;
    this.discovery = discovery;
  }

  onModuleInit(): void {
    this.#refuseRequestScope();
    this.#refuseSecondRegistration();
    const inbound = this.#provided<InboundAuthenticator>(MAUTH_INBOUND_AUTHENTICATOR);
    inbound.assertInstalled();
    const settings = this.#provided<MAuthSettings>(MAUTH_SETTINGS);
    const { policies } = inbound;
    const classes = this.#classes();
    const places = handlerPlaces(classes);
    // Reading the decorators of every handler finds their mistakes.
    const found = places.map((place) => policies.of(place));
    this.#refuseMissingKeys(
      settings,
      found.some(({ isAsked }) => isAsked),
    );
    refuseOpenGateways(classes, policies, this.protect);
    const guard = this.#provided<ApplicationGuard>(MAuthGuard);
    const providers = this.discovery.getProviders();
    refuseIneffectiveGuards({ providers, places, policies, protect: this.protect, guard });
    if (guard.constructor !== MAuthGuard) inbound.useGuard(guard);
    inbound.openRoutes(this.#provided<RouteMap>(RouteMap));
    if (places.some(isSignResponse)) {
      this.#provided<ResponseSigning>(MAUTH_RESPONSE_SIGNING).expectMarkedRoutes();
    }
    settings.logger.log(this.#summary(settings));
  }

  #refuseRequestScope(): void {
    // Nest has been seen to skip a global guard silently when what it injects is bound to requests.
    for (const token of [MAUTH_SETTINGS, MAUTH_INBOUND_AUTHENTICATOR, MAuthGuard]) {
      if (this.moduleRef.introspect(token).scope === Scope.DEFAULT) continue;
      throw new MAuthConfigurationError(
        'The options of MAuthModule, or the class in `guard`, depend on a provider that is request-scoped or ' +
          'transient. MAuth is set up once, before the first request: inject singletons only.',
      );
    }
  }

  #refuseSecondRegistration(): void {
    const registrations = this.discovery.getProviders().filter(({ token }) => token === MAUTH_SETTINGS);
    if (registrations.length === 1) return;
    throw new MAuthConfigurationError(
      'MAuthModule.forRoot() or forRootAsync() is called more than once in this application. Call it once; with ' +
        '`isGlobal: false`, export that module from one of yours and import it from there.',
    );
  }

  /** `ModuleRef` remembers what the first of several compilations of a testing builder made. */
  #provided<T>(token: InjectionToken): T {
    const ours = this.discovery.getProviders().find(({ token: its }) => its === MAUTH_SETTINGS)?.host;
    return ours?.providers.get(token)?.instance as T;
  }

  #classes(): AnyClass[] {
    const classes = [...this.discovery.getControllers(), ...this.discovery.getProviders()]
      .filter(isClass)
      .map(({ metatype }) => metatype as AnyClass);
    return [...new Set(classes)];
  }

  #refuseMissingKeys({ mauthUrl, findPublicKey, mode }: MAuthSettings, isAsked: boolean): void {
    if (mauthUrl || (findPublicKey && mode === 'local')) return;
    if (this.protect === 'decorated' && !isAsked) return;
    throw new MAuthConfigurationError(
      'Requests are to be authenticated, but there is nobody to ask for public keys: set the MAuth option `mauthUrl` ' +
        '(environment: MAUTH_URL)' +
        (mode === 'local' ? ' or `findPublicKey`.' : '; `mode: remote` needs it.'),
    );
  }

  #summary({ appUuid, mode, mauthUrl, findPublicKey, signVersions }: MAuthSettings): string {
    const keys = mauthUrl ?? (findPublicKey && 'findPublicKey');
    const authentication = keys ? `authenticates in ${mode} mode with ${keys}` : 'authenticates nothing';
    return `MAuth is set up as app ${appUuid}: signs ${signVersions}, ${authentication}, protects ${this.protect}.`;
  }
}

/** All that may be a handler. */
function handlerPlaces(classes: readonly AnyClass[]): HandlerPlace[] {
  const scanner = new MetadataScanner();
  return classes.flatMap((controller) => {
    const methods = controller.prototype as Record<string, (() => unknown) | undefined> | undefined;
    return scanner
      .getAllMethodNames(methods ?? null)
      .flatMap((name) => methods?.[name] ?? [])
      .map((handler) => ({ controller, handler }));
  });
}
