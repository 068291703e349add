import { Injectable, type HttpServer } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { printable } from '../authentication/attempt-log.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { inauthentic, undecided, type MAuthFailure } from '../authentication/result.js';
import { type MAuthSettings } from '../mauth.options.js';
import { answerFor } from './answers.js';
import { type Arrival } from './arrival.js';
import { Door } from './door.js';
import { nodeRequest, type Exchange } from './exchange.js';
import { ExpressPlatform } from './express.platform.js';
import { FastifyPlatform } from './fastify.platform.js';
import { setMAuthIdentity } from './identity.js';
import { type BodyFailure, type InboundOutcome } from './inbound-outcome.js';
import { isAmbiguousPath, pathOf } from './path-policy.js';
import { type InboundPlatform } from './platform.js';
import { isSigned, Reception } from './reception.js';
import { type ResponseSigning } from './response-signing.js';
import { sendAnswer } from './send-answer.js';

/** Bounds that a route sets for itself. */
export interface RouteLimits {
  /** Largest body, in bytes, instead of `body.maxHeldBytes`, and also where the platform has parsed the body. */
  readonly maxBodyBytes?: number;
}

/** What of the application is protected, as far as it concerns the way in. */
export interface DoorOptions {
  readonly protect: 'decorated' | 'routes' | 'everything';
  /** Exact raw paths that pass the door of `everything`. */
  readonly exempt: readonly string[];
}

/**
 * Authenticates incoming requests, each of them once. It watches every request from its first byte on, in front of
 * body parsers and handlers, on Express and on Fastify.
 */
@Injectable()
export class InboundAuthenticator {
  readonly #settings: MAuthSettings;
  readonly #reception: Reception;
  readonly #door: Door | undefined;
  #platform: InboundPlatform | undefined;

  constructor(
    adapterHost: HttpAdapterHost,
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    { protect, exempt }: DoorOptions,
    responses?: ResponseSigning,
  ) {
    this.#settings = settings;
    this.#reception = new Reception(
      settings,
      authenticator,
      (arrival) => this.#stalled(arrival),
      (arrival) => responses?.watch(arrival),
    );
    if (protect === 'everything') {
      this.#door = new Door(settings, exempt, (request) => this.authenticate(request));
    }
    // The only moment at which an adapter is there and has no body parser yet.
    adapterHost.init$.subscribe(() => this.#install(adapterHost.httpAdapter));
  }

  /**
   * Who signed the request. Verification is done once: later passes get the same outcome, and what came from
   * outside never makes it throw.
   *
   * @param request Express's, Fastify's or Node's
   */
  async authenticate(request: unknown, { maxBodyBytes }: RouteLimits = {}): Promise<InboundOutcome> {
    const arrival = this.#reception.find(nodeRequest(request));
    if (!arrival) {
      this.#settings.logger.error(
        'MAuth: a request did not come through the HTTP adapter of this application, so it cannot be authenticated (body_unavailable)',
      );
      return undecided('body_unavailable');
    }
    arrival.outcome ??= this.#authenticateOnce(arrival, maxBodyBytes);
    const outcome = await arrival.outcome;
    const isTooLarge = maxBodyBytes !== undefined && (arrival.body?.received ?? 0) > maxBodyBytes;
    return outcome.authentic && isTooLarge ? this.#refuse(arrival, TOO_LARGE) : outcome;
  }

  /**
   * Whether the request carries any MAuth authentication header, even a malformed one.
   *
   * @param request Express's, Fastify's or Node's
   */
  hasMAuthHeaders(request: unknown): boolean {
    const node = nodeRequest(request);
    // Headers may be removed from a request on its way, but a signed request stays one.
    return this.#reception.find(node)?.verification?.claims.version !== undefined || isSigned(node);
  }

  #install(adapter: HttpServer | null | undefined): void {
    if (!adapter) return;
    const platform = platformOf(adapter);
    if (!platform) {
      this.#settings.logger.error(
        `MAuth: HTTP adapter "${adapter.getType()}" is not supported, so no request can be authenticated; use Express or Fastify`,
      );
      return;
    }
    this.#platform = platform;
    const door = this.#door;
    if (door && platform.hasEarlierRoutes()) {
      this.#settings.logger.error(
        'MAuth: routes were registered on the HTTP server instance before the application was created, so they stand ' +
          "in front of the door of `protect: 'everything'` and answer unsigned requests; register them afterwards.",
      );
    }
    platform.install({
      arrive: (exchange) => this.#reception.receive(platform, exchange),
      ...(door && {
        admit: (exchange: Exchange) => door.admits(exchange, platform.routedTarget(exchange.request)),
      }),
    });
  }

  async #authenticateOnce(arrival: Arrival, maxBodyBytes?: number): Promise<InboundOutcome> {
    let isAuthentic = false;
    try {
      const outcome = await this.#verify(arrival, maxBodyBytes);
      isAuthentic = outcome.authentic;
      if (outcome.authentic) setMAuthIdentity(arrival.request, outcome);
      return outcome;
    } finally {
      if (isAuthentic) arrival.body?.release();
      else arrival.body?.discard();
    }
  }

  async #verify(arrival: Arrival, maxBodyBytes?: number): Promise<InboundOutcome> {
    const verification = this.#reception.verificationOf(arrival);
    if (!verification.rejected && this.#isAmbiguous(arrival)) {
      return this.#refuse(arrival, inauthentic('ambiguous_path'));
    }
    const lookup = verification.findKey();
    const failure = lookup instanceof Promise ? await lookup : lookup;
    if (failure) return failure;
    if (arrival.isBodyLost) return this.#bodyLost(arrival);
    const bodyFailure = await arrival.body?.hold(maxBodyBytes);
    if (bodyFailure) return this.#refuse(arrival, bodyFailure);
    arrival.body?.flush();
    const verdict = verification.conclude();
    const result = verdict instanceof Promise ? await verdict : verdict;
    // While the signature was verified the caller may have gone away, and with it the bytes that were held.
    const lost = result.authentic ? arrival.body?.failure : undefined;
    return lost ? this.#refuse(arrival, lost) : result;
  }

  /** The router's reading of the path must be the signature's, also behind a proxy that rewrites it. */
  #isAmbiguous({ request, target = '' }: Arrival): boolean {
    if (this.#settings.pathPolicy !== 'strict') return false;
    return isAmbiguousPath(target) || isAmbiguousPath(this.#platform?.routedTarget(request) ?? '');
  }

  #bodyLost(arrival: Arrival): MAuthFailure {
    this.#settings.logger.error(
      'MAuth: the body of a request was read before it could be authenticated. Configuration error: a middleware ' +
        'or hook that reads bodies was registered on the HTTP server instance before the application was created; ' +
        'register it afterwards.',
    );
    return this.#refuse(arrival, undecided('body_unavailable'));
  }

  /** A parser waits for a body that does not come, and nobody else will answer. */
  #stalled(arrival: Arrival): void {
    if (arrival.outcome || this.#platform?.isRouted(arrival.request)) return;
    const failure = this.#refuse(arrival, { authentic: false, status: 408, code: 'body_timeout' });
    arrival.outcome = Promise.resolve(failure);
    arrival.body?.discard();
    sendAnswer(arrival.response, answerFor(failure, this.#settings));
  }

  /** Writes down what the caller does not learn, and what verification itself has not written. */
  #refuse<F extends MAuthFailure | BodyFailure>({ request, response, sentTarget }: Arrival, failure: F): F {
    // The rest of the body may still come, so the connection cannot carry another request.
    if (failure.status === 408) response.shouldKeepAlive = false;
    const subject = `${printable(request.method ?? '')} ${printable(pathOf(sentTarget))}`;
    this.#settings.logger.warn(`MAuth: ${subject} was refused (${failure.code})`);
    return failure;
  }
}

const TOO_LARGE: BodyFailure = Object.freeze({ authentic: false, status: 413, code: 'body_too_large' });

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
