import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { type MaybePromise } from '../authentication/maybe-promise.js';
import { privateFieldMap } from '../authentication/private-field-map.js';
import { undecided } from '../authentication/result.js';
import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { type MAuthSettings } from '../config/options.js';
import { MAuthEvents } from '../events/mauth-events.js';
import { ownProperty } from '../protocol/own-properties.js';
import { HeldBytesBudget } from './held-bytes.js';
import { IncomingRequest, type RequestContext } from './incoming-request.js';
import { type TargetReader } from './platform.js';
import { answerFor, type InboundOutcome } from './refusals.js';
import { isSigned, nodeRequest } from './request-pair.js';

const FOREIGN: MAuthAuthenticatedEvent = Object.freeze({
  outcome: 'undecided',
  code: 'body_unavailable',
  usedFallback: false,
  source: 'request',
  durationMs: 0,
});

/** Bounds that a route sets for itself; its properties are its own. */
export interface RouteLimits {
  /** Largest body, in bytes, instead of `body.maxHeldBytes`, and also where the platform has parsed the body. */
  readonly maxBodyBytes: number | undefined;
}

/** The hooks of one server. */
export interface IncomingRequestsOptions extends Partial<Pick<RequestContext, 'answerTo'>> {
  /** A request has just come in, and nothing has answered it yet. */
  readonly onArrival?: ((request: IncomingRequest) => void) | undefined;
  /** Where to look for a request that did not come in here. */
  readonly findElsewhere?: (request: unknown) => IncomingRequest | undefined;
}

/** The requests of one server: each is noted when it comes in, and the body of a signed one is watched. */
export class IncomingRequests {
  readonly #context: RequestContext;
  readonly #options: IncomingRequestsOptions;
  readonly #events: MAuthEvents;
  readonly #requests = privateFieldMap<IncomingMessage, IncomingRequest>();

  constructor(
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    options: IncomingRequestsOptions = {},
  ) {
    const { maxHeldBytes, maxHeldBytesTotal, timeoutMs } = settings.body;
    this.#options = options;
    this.#events = new MAuthEvents(settings);
    this.#context = {
      settings,
      authenticator,
      answerTo: options.answerTo ?? ((failure) => answerFor(failure, settings)),
      bodies: {
        keepsForService: settings.mode === 'remote',
        budget: new HeldBytesBudget(maxHeldBytesTotal),
        maxHeldBytes,
        timeoutMs,
      },
    };
  }

  /**
   * A request comes in: headers and time of a signed one are read now. May be called again, and then notes `isRouted`
   * and no more.
   *
   * @param isRouted a route has the request now
   */
  receive(
    reader: TargetReader,
    request: IncomingMessage,
    response: ServerResponse,
    isRouted = false,
  ): IncomingRequest {
    const known = this.#requests.get(request);
    const incoming = known ?? new IncomingRequest(request, response, reader, this.#context);
    if (isRouted) incoming.isRouted = true;
    if (known) return known;
    this.#requests.set(request, incoming);
    if (isSigned(request.headers) || this.#context.authenticator.looksAtUnsigned) incoming.begin();
    this.#options.onArrival?.(incoming);
    return incoming;
  }

  /**
   * A request that can be authenticated here; undefined for any other.
   *
   * @param request Express's, Fastify's or Node's
   */
  find(request: unknown): IncomingRequest | undefined {
    const { findElsewhere } = this.#options;
    // Most of them are Node's own.
    const known = this.#requests.get(request as IncomingMessage);
    return known ?? this.findHere(request) ?? findElsewhere?.(request);
  }

  /**
   * A request that came in here; undefined for any other.
   *
   * @param request Express's, Fastify's or Node's
   */
  findHere(request: unknown): IncomingRequest | undefined {
    // Most of them are Node's, and on Express it costs something to see that there is no other behind them.
    return this.#requests.get(request as IncomingMessage) ?? this.#requests.get(nodeRequest(request));
  }

  /**
   * Who signed the request.
   *
   * @param request Express's, Fastify's or Node's
   */
  authenticate(request: unknown, limits?: RouteLimits): MaybePromise<InboundOutcome> {
    const incoming = this.find(request);
    if (incoming) return incoming.authenticate(limits?.maxBodyBytes);
    this.#events.authenticated(FOREIGN);
    this.#context.settings.logger.error(
      'MAuth: a request did not come through the HTTP adapter of this application, so it cannot be authenticated (body_unavailable)',
    );
    return undecided('body_unavailable');
  }

  /**
   * Whether the request carries any MAuth authentication header, even a malformed one.
   *
   * @param request Express's, Fastify's or Node's
   */
  hasMAuthHeaders(request: unknown): boolean {
    return this.find(request)?.hasMAuthHeaders ?? isSigned(ownProperty(nodeRequest(request), 'headers'));
  }
}
