import { Injectable, type HttpServer } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type MaybePromise } from '../authentication/maybe-promise.js';
import { LogObserver } from '../authentication/log-observer.js';
import { printable } from '../events/printable.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { type MAuthSettings } from '../config/options.js';
import { type HandlerPlace, accessPolicyOf, HandlerCache, type AccessPolicies } from './access-policy.js';
import { answerFor, type Answer, type MAuthInboundFailure } from '../http/refusals.js';
import { type ApplicationGuard, answerOf } from './application-guard.js';
import { Gate, type ExemptPaths } from '../http/gate.js';
import { MAuthEvents } from '../events/mauth-events.js';
import { originalTarget, type RequestPair } from '../http/request-pair.js';
import { ExpressPlatform } from './platforms/express.platform.js';
import { FastifyPlatform } from './platforms/fastify.platform.js';
import { reportEarlierLayers } from './earlier-layers.js';
import { HostAdapters } from './host-adapters.js';
import { OpenRoutes } from './open-routes.js';
import { type InboundPlatform } from '../http/platform.js';
import { IncomingRequests } from '../http/incoming-requests.js';
import { type ResponseSigning } from '../http/response-signing.js';
import { recordRoutes, type RegisteredRoute, type RouteMap } from './route-map.js';
import { ownProperty } from '../protocol/own-properties.js';

type Adapters = HostAdapters<InboundAuthenticator, readonly RegisteredRoute[]>;

const ADAPTERS = new WeakMap<HttpAdapterHost, Adapters>();

/** Which part of the application is protected in front of handlers. */
export interface GateOptions {
  readonly protect: 'decorated' | 'routes' | 'everything';
  /** Paths that pass the gate of `everything`, and `MAuthMiddleware`. */
  readonly exempt: ExemptPaths;
}

/**
 * Authenticates the requests of a Nest application. It watches every request from its first byte on, in front of
 * body parsers and handlers, on Express and on Fastify.
 */
@Injectable()
export class InboundAuthenticator {
  readonly requests: IncomingRequests;
  /** For decisions that guards make. */
  readonly events: MAuthEvents;
  readonly #log: LogObserver;
  /** The policies of all handlers: read once, when the application starts. */
  readonly policies: AccessPolicies;
  readonly #settings: MAuthSettings;
  readonly #gate: Gate;
  readonly #standsInFront: boolean;
  readonly #exempt: ExemptPaths;
  readonly #openRoutes = new OpenRoutes();
  readonly #adapters: Adapters;
  /** The guard that the application has in place of `MAuthGuard`, if there is one. */
  applicationGuard: ApplicationGuard | undefined;
  #isGateOverridden = false;
  #routes: readonly RegisteredRoute[] | undefined;
  #installationError: Error | undefined;

  constructor(
    adapterHost: HttpAdapterHost,
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    { protect, exempt }: GateOptions,
    responses?: ResponseSigning,
  ) {
    this.#settings = settings;
    this.#log = new LogObserver(settings);
    this.events = new MAuthEvents(settings);
    const answerTo = (failure: MAuthInboundFailure) => this.#answerTo(failure);
    this.requests = new IncomingRequests(settings, authenticator, {
      onArrival: responses?.watch.bind(responses),
      answerTo,
      findElsewhere: (request) => this.#ownerOf(request)?.requests.findHere(request),
    });
    this.policies = new HandlerCache((place) => accessPolicyOf(place, settings.apps));
    this.#gate = new Gate(settings, exempt, ({ request }) => this.requests.authenticate(request), answerTo);
    this.#exempt = exempt;
    this.#standsInFront = protect === 'everything';
    this.#adapters = ADAPTERS.get(adapterHost) ?? new HostAdapters();
    ADAPTERS.set(adapterHost, this.#adapters);
    // The only moment at which an adapter is there and has no body parser yet.
    this.#adapters.join(adapterHost, this, (adapter) => this.#serve(adapter));
  }

  /**
   * To be asked before the application listens.
   *
   * @throws MAuthConfigurationError when the HTTP adapter did not take the hooks
   */
  assertInstalled(): void {
    const cause = this.#installationError;
    if (!cause) return;
    if (cause instanceof MAuthConfigurationError) throw cause;
    throw new MAuthConfigurationError(
      `MAuth could not be installed on the HTTP adapter (${cause.message}). Create the application ` +
        'with an adapter whose server is not ready or listening yet.',
      { cause },
    );
  }

  /**
   * The gate, wherever it is asked: whether the request may go on. If not, it has been answered.
   *
   * @param target path and query as the application routes them
   */
  allows(pair: RequestPair, target: string): MaybePromise<boolean> {
    return this.#isGateOverridden || this.#gate.allows(pair, target);
  }

  /**
   * Makes `MAuthGuard` at decorators leave decisions to the guard of the application, and lets that guard choose the
   * answers to what is refused in front of all handlers.
   */
  useGuard(guard: ApplicationGuard): void {
    this.applicationGuard = guard;
  }

  /** For a test that has put something else in the place of MAuthGuard, which then decides alone. */
  leaveAllToGuard(): void {
    this.#isGateOverridden = true;
  }

  /** Tells of a decision that a guard makes, in the log as well. */
  decided(event: MAuthAuthenticatedEvent): void {
    this.events.authenticated(event);
    this.#log.authenticated(event);
  }

  /** The routes that were registered with the HTTP adapter; undefined where there is none. */
  get routes(): readonly RegisteredRoute[] | undefined {
    return this.#routes;
  }

  /** Whether the option `exempt` names the path, and there is a gate that it passes. */
  isExemptPath(path: string): boolean {
    return this.#standsInFront && this.#exempt.has(path);
  }

  /**
   * Opens the gate, if there is one, for handlers with `@Public()` and `@OptionalMAuth()`; to be called when their
   * routes are registered.
   *
   * @throws MAuthConfigurationError that names handlers whose routes are not one path, and the remedies
   */
  openRoutes(map: RouteMap): void {
    if (!this.#standsInFront || !this.#routes) return;
    this.#openRoutes.open(map, map.of(this.#routes), this.policies, this.#exempt);
  }

  /**
   * Whether a request may reach a handler unsigned, because its path is exempt and is the route of that handler.
   *
   * @param request Express's, Fastify's or Node's
   */
  isExempt(place: HandlerPlace, request: unknown): boolean {
    const receiver = this.#adapters.owners.length > 1 ? this.#ownerOf(request) : this;
    return receiver !== undefined && receiver.#isExemptHere(place, request);
  }

  #answerTo(failure: MAuthInboundFailure): Answer {
    const standard = answerFor(failure, this.#settings);
    const guard = this.applicationGuard;
    if (!guard || !ownProperty(guard, 'toException')) return standard;
    try {
      return answerOf(exceptionOf(guard, failure), standard.headers);
    } catch (error) {
      this.#settings.logger.error(
        `MAuth: ${guard.constructor.name}.toException failed (${printable(String(error))}); the caller gets the ` +
          'answer that it gets by default',
      );
      return standard;
    }
  }

  #ownerOf(request: unknown): InboundAuthenticator | undefined {
    return this.#adapters.owners.find((owner) => owner.requests.findHere(request) !== undefined);
  }

  #isExemptHere(place: HandlerPlace, request: unknown): boolean {
    const paths = this.#openRoutes.exemptPathsOf(place);
    return paths !== undefined && paths.has(this.requests.find(request)?.routedPath);
  }

  #admitsInFront(pair: RequestPair, target: string): MaybePromise<boolean> {
    return this.#openRoutes.allows(pair.request, target) || this.allows(pair, target);
  }

  /** An error while an adapter is announced is beyond the reach of the application: it is told when it starts. */
  #serve(adapter: HttpServer): void {
    try {
      this.#routes = this.#adapters.take(adapter, this, (installation) =>
        this.#install(adapter, installation),
      );
    } catch (error) {
      this.#installationError = error as Error;
    }
  }

  #install(
    adapter: HttpServer,
    installation: { readonly owner: InboundAuthenticator },
  ): readonly RegisteredRoute[] {
    const routes = recordRoutes(adapter);
    const platform = platformOf(adapter);
    if (!platform) {
      this.#refuseUnknown(adapter);
      return routes;
    }
    const watch = this.#standsInFront
      ? reportEarlierLayers(platform.earlierLayers(), this.#settings.logger)
      : undefined;
    platform.install({
      arrive: (request, response, isRouted) => {
        installation.owner.requests.receive(platform, request, response, isRouted);
        watch?.begin(request, response, originalTarget(request));
      },
      allow: this.#standsInFront
        ? (pair) => {
            watch?.reachedGate(pair.request);
            return installation.owner.#admitsInFront(pair, platform.routedTarget(pair.request));
          }
        : undefined,
    });
    return routes;
  }

  /** Without hooks no request can be authenticated: guards then refuse all of them, but nothing asks the gate. */
  #refuseUnknown(adapter: HttpServer): void {
    const found = `HTTP adapter "${adapter.getType()}" is not supported`;
    if (this.#standsInFront) {
      throw new MAuthConfigurationError(
        `MAuth: ${found}, so \`protect: 'everything'\` would protect nothing but handlers; use Express or Fastify.`,
      );
    }
    this.#settings.logger.error(
      `MAuth: ${found}, so no request can be authenticated; use Express or Fastify`,
    );
  }
}

/** A guard may throw the exception as well as return it: Nest's filters see no difference. */
function exceptionOf(guard: ApplicationGuard, failure: MAuthInboundFailure): unknown {
  try {
    return guard.toException?.(failure);
  } catch (error) {
    return error;
  }
}

function platformOf(adapter: HttpServer): InboundPlatform | undefined {
  switch (adapter.getType()) {
    case 'express':
      return new ExpressPlatform(adapter);
    case 'fastify':
      return new FastifyPlatform(adapter);
    default:
      return undefined;
  }
}
