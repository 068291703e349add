import 'reflect-metadata';
import { Inject, Injectable, Scope, UseGuards, type InjectionToken, type OnModuleInit } from '@nestjs/common';
import { ApplicationConfig, type DiscoveryService, MetadataScanner, type ModuleRef } from '@nestjs/core';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type ResponseSigning } from '../http/response-signing.js';
import {
  isSignResponse,
  type AnyClass,
  type HandlerPlace,
  type AccessPolicies,
  type AccessPolicy,
} from './access-policy.js';
import { isMAuthGuard, isMAuthGuardSubclass, type ApplicationGuard } from './application-guard.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { classOf, isGuardedLocally, localGuards } from './local-guards.js';
import { MAuthGuard } from './mauth.guard.js';
import { isClass, type NestCore } from './nest-core.js';
import { RouteMap } from './route-map.js';
import {
  MAUTH_INBOUND_AUTHENTICATOR,
  MAUTH_NEST,
  MAUTH_PROTECT,
  MAUTH_RESPONSE_SIGNING,
  MAUTH_SETTINGS,
} from './tokens.js';

// What @nestjs/websockets writes. The package is not asked: most applications have no gateways.
const IS_GATEWAY = 'websockets:is_gateway';
const IS_MESSAGE_HANDLER = 'websockets:message_mapping';

/**
 * Refuses to start an application that would be less protected than its code says. It depends on nothing that comes
 * from options: Nest calls no hooks on what is bound to requests, and that is one of the mistakes to be found.
 *
 * It carries the guard, so that there is one for a test to override (`overrideGuard`) in every form of `protect`.
 */
@Injectable()
@UseGuards(MAuthGuard)
export class MAuthStartUpCheck implements OnModuleInit {
  private readonly moduleRef: ModuleRef;
  private readonly discovery: DiscoveryService;
  /** `MAuthGuard` as it stands at this class, where a test has overridden it. */
  private readonly overridden: { readonly instance: unknown } | undefined;

  constructor(
    @Inject(MAUTH_NEST) { moduleRef, discovery, modules }: NestCore,
    @Inject(MAUTH_PROTECT) private readonly protect: string,
  ) {
    this.moduleRef = moduleRef;
    this.discovery = discovery;
    this.overridden = takeOverridden(modules);
  }

  onModuleInit(): void {
    this.#refuseRequestScope();
    this.#refuseSecondRegistration();
    const inbound = this.#provided<InboundAuthenticator>(MAUTH_INBOUND_AUTHENTICATOR);
    inbound.assertInstalled();
    const settings = this.#provided<MAuthSettings>(MAUTH_SETTINGS);
    const { policies } = inbound;
    const places = handlerPlaces(this.#classes());
    // Reading the decorators of every handler finds their mistakes.
    const found = places.map((place) => policies.of(place));
    this.#refuseMissingKeys(settings, found);
    this.#refuseOpenGateways(places, policies);
    const guard = this.#overridden() ?? this.#provided<ApplicationGuard>(MAuthGuard);
    this.#refuseProvidedGuards(guard);
    this.#refuseLocalGuards(guard, places, policies);
    if (guard.constructor !== MAuthGuard) inbound.useGuard(guard);
    if (isForeign(guard)) inbound.leaveAllToGuard();
    inbound.openRoutes(this.#provided<RouteMap>(RouteMap));
    if (places.some(isSignResponse)) {
      this.#provided<ResponseSigning>(MAUTH_RESPONSE_SIGNING).expectMarkedRoutes();
    }
    settings.logger.log(this.#summary(settings));
  }

  /** What a test has put in the place of `MAuthGuard` by `overrideGuard`, which leaves providers as they are. */
  #overridden(): ApplicationGuard | undefined {
    const guard = this.overridden?.instance as ApplicationGuard | undefined;
    return guard && isForeign(guard) ? guard : undefined;
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

  #refuseMissingKeys(
    { mauthUrl, findPublicKey, mode }: MAuthSettings,
    policies: readonly AccessPolicy[],
  ): void {
    if (mauthUrl || (findPublicKey && mode === 'local')) return;
    if (this.protect === 'decorated' && !policies.some(({ isDeclared }) => isDeclared)) return;
    throw new MAuthConfigurationError(
      'Requests are to be authenticated, but there is no source of public keys: set the MAuth option `mauthUrl` ' +
        '(environment: MAUTH_URL)' +
        (mode === 'local' ? ' or `findPublicKey`.' : '; `mode: remote` needs it.'),
    );
  }

  /**
   * Where a handler of a WebSocket gateway is meant to be closed, but nothing closes it: Nest 11 runs no global guards
   * for gateways. A guard refuses every message, signed or not: MAuth authenticates HTTP requests.
   */
  #refuseOpenGateways(places: readonly HandlerPlace[], policies: AccessPolicies): void {
    if (runsGlobalGuardsForGateways()) return;
    const open = places.filter(
      (place) =>
        isGatewayHandler(place) && this.#isMeantToBeClosed(policies.of(place)) && !isGuardedLocally(place),
    );
    if (open.length === 0) return;
    throw new MAuthConfigurationError(
      `This version of Nest runs no global guards for WebSocket gateways, so nothing protects ${open.map(nameOf).join(', ')}. ` +
        'Say what is meant, at the gateway or its handlers: @Public() leaves them open, @RequiresMAuth() or ' +
        '@UseGuards(MAuthGuard) refuses their messages, for MAuth authenticates HTTP requests only.',
    );
  }

  /** Where a subclass of the guard is registered in a way in which some refusals would pass it by. */
  #refuseProvidedGuards(guard: object): void {
    for (const { token, subtype, instance } of this.discovery.getProviders()) {
      const isGlobal = subtype === 'guard';
      if (!isGlobal && token !== MAuthGuard) continue;
      const found = classOf(instance);
      if (!isMAuthGuardSubclass(found) || found === classOf(guard)) continue;
      throw ineffective(
        found.name,
        isGlobal ? 'is provided as APP_GUARD' : 'is provided in place of MAuthGuard',
      );
    }
  }

  #refuseLocalGuards(guard: object, places: readonly HandlerPlace[], policies: AccessPolicies): void {
    for (const place of places) {
      if (!this.#isMeantToBeClosed(policies.of(place))) continue;
      for (const found of localGuards(place)) {
        if (!isMAuthGuardSubclass(found) || found === classOf(guard)) continue;
        throw ineffective(
          found.name,
          `stands at ${nameOf(place)} by @UseGuards(${found.name}), where the guard of MAuthModule runs as well`,
        );
      }
    }
  }

  #isMeantToBeClosed({ access, isDeclared }: AccessPolicy): boolean {
    return access !== 'public' && (this.protect !== 'decorated' || isDeclared);
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

function nameOf({ controller, handler }: HandlerPlace): string {
  return `${controller.name}.${handler.name}`;
}

/** Nest 12 does. It is told by what else came with it: the versions of packages cannot be read at run time. */
function runsGlobalGuardsForGateways(): boolean {
  return 'registerPreRequestHook' in ApplicationConfig.prototype;
}

function isGatewayHandler({ controller, handler }: HandlerPlace): boolean {
  return Reflect.hasMetadata(IS_GATEWAY, controller) && Reflect.hasMetadata(IS_MESSAGE_HANDLER, handler);
}

function ineffective(name: string, how: string): MAuthConfigurationError {
  return new MAuthConfigurationError(
    `${name} ${how}, so MAuthGuard itself would still decide in some places. Register it once, as the option \`guard: ` +
      `${name}\` of MAuthModule, beside \`protect\`.`,
  );
}

/** Neither of this package nor derived from it: a test has put it there, for the option `guard` takes no other class. */
function isForeign(guard: ApplicationGuard): boolean {
  return !(guard instanceof MAuthGuard) && !isMAuthGuard(guard.constructor);
}

/** Takes the guard of this class out of the module again, where it is not overridden: `app.get()` is to find the other. */
function takeOverridden(modules: NestCore['modules']): { readonly instance: unknown } | undefined {
  const own = [...modules.values()].find(({ providers }) => providers.has(MAuthStartUpCheck));
  const guard = own?.injectables.get(MAuthGuard);
  if (guard?.metatype !== MAuthGuard) return guard;
  own?.injectables.delete(MAuthGuard);
  return undefined;
}
