import { type IncomingMessage, type ServerResponse } from 'node:http';
import { andThen, isPromise, type MaybePromise } from '../authentication/and-then.js';
import { printable } from '../authentication/attempt-log.js';
import { rememberIdentity } from '../authentication/known-identity.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { isAmbiguousTarget, isReadAsLatin1, pathOf } from '../authentication/path-policy.js';
import { inauthentic, undecided, type MAuthFailure } from '../authentication/result.js';
import { type Verification } from '../authentication/verification.js';
import { type MAuthSettings } from '../config/options.js';
import { answerFor, type Answer } from './answers.js';
import { type Arrival } from './incoming-request.js';
import { comesOffTheWire, nodeRequest } from './request-pair.js';
import { type MAuthInboundFailure } from './inbound-failure.js';
import { type MAuthBodyFailure, type InboundOutcome } from './inbound-outcome.js';
import { type RequestReading } from './platform.js';
import { isSigned, Reception } from './incoming-requests.js';
import { sendAnswer } from './send-answer.js';
import { ownProperty } from '../protocol/own-properties.js';

/** Bounds that a route sets for itself. */
export interface RouteLimits {
  /** Largest body, in bytes, instead of `body.maxHeldBytes`, and also where the platform has parsed the body. */
  readonly maxBodyBytes?: number;
}

/** Authenticates the requests of one server, each of them once. It knows of Node alone, and of no framework. */
export class RequestAuthenticator {
  readonly #settings: MAuthSettings;
  readonly #reception: Reception;

  /** @param onArrival a request has just come in, and nobody has answered it yet */
  constructor(
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    onArrival?: (arrival: Arrival) => void,
  ) {
    this.#settings = settings;
    this.#reception = new Reception(settings, authenticator, (arrival) => this.#stalled(arrival), onArrival);
  }

  /**
   * A request comes in: from now on its body is watched. May be called again, and then notes `isRouted` and no more.
   *
   * @param isRouted a route has the request now
   */
  receive(
    reading: RequestReading,
    request: IncomingMessage,
    response: ServerResponse,
    isRouted?: boolean,
  ): void {
    this.#reception.receive(reading, request, response, isRouted);
  }

  /**
   * Whether the request can be authenticated here.
   *
   * @param request Express's, Fastify's or Node's; anything else cannot
   */
  knows(request: unknown): boolean {
    return this.hasReceived(request) || this.receiverOf(request) !== undefined;
  }

  /**
   * Whether the request came in here.
   *
   * @param request Express's, Fastify's or Node's; anything else did not
   */
  hasReceived(request: unknown): boolean {
    return this.#find(request) !== undefined;
  }

  /**
   * The path that the router goes by, as on the wire; undefined for what cannot be authenticated here.
   *
   * @param request Express's, Fastify's or Node's
   */
  routedPath(request: unknown): string | undefined {
    const arrival = this.#find(request);
    if (!arrival) return this.receiverOf(request)?.routedPath(request);
    const [target = ''] = arrival.reading.routedTargets(arrival.request);
    return pathOf(target);
  }

  /** What a caller gets who is refused beneath the framework. */
  protected answerTo(failure: MAuthInboundFailure): Answer {
    return answerFor(failure, this.#settings);
  }

  /** Where a request came in that did not come in here. */
  protected receiverOf(_request: unknown): RequestAuthenticator | undefined {
    return undefined;
  }

  /**
   * Who signed the request. Verification is done once: later passes get the same outcome, and what came from
   * outside never makes it throw.
   *
   * @param request Express's, Fastify's or Node's
   */
  authenticate(request: unknown, limits: RouteLimits = {}): MaybePromise<InboundOutcome> {
    const maxBodyBytes = ownProperty(limits, 'maxBodyBytes');
    const arrival = this.#find(request);
    if (!arrival) {
      const receiver = this.receiverOf(request);
      if (receiver) return receiver.authenticate(request, limits);
      this.#settings.logger.error(
        'MAuth: a request did not come through the HTTP adapter of this application, so it cannot be authenticated (body_unavailable)',
      );
      return undecided('body_unavailable');
    }
    arrival.outcome ??= this.#authenticateOnce(arrival, maxBodyBytes);
    return andThen(arrival.outcome, (outcome) => {
      const isTooLarge = maxBodyBytes !== undefined && (arrival.body?.received ?? 0) > maxBodyBytes;
      return outcome.authentic && isTooLarge ? this.#refuse(arrival, TOO_LARGE) : outcome;
    });
  }

  /**
   * Whether the request carries any MAuth authentication header, even a malformed one.
   *
   * @param request Express's, Fastify's or Node's
   */
  hasMAuthHeaders(request: unknown): boolean {
    const arrival = this.#find(request);
    if (!arrival)
      return this.receiverOf(request)?.hasMAuthHeaders(request) ?? isSigned(nodeRequest(request) ?? {});
    // Headers may be removed from a request on its way, but a signed request stays one.
    return arrival.verification?.claims.version !== undefined || isSigned(arrival.request);
  }

  /** @param request Express's, Fastify's or Node's */
  #find(request: unknown): Arrival | undefined {
    // Most of them are Node's, and on Express it costs something to see that there is no other behind them.
    return this.#reception.find(request as IncomingMessage) ?? this.#reception.find(nodeRequest(request));
  }

  #authenticateOnce(arrival: Arrival, maxBodyBytes?: number): MaybePromise<InboundOutcome> {
    try {
      const outcome = this.#verify(arrival, maxBodyBytes);
      if (!isPromise(outcome)) return this.#settle(arrival, outcome);
      return outcome
        .then((late) => this.#settle(arrival, late))
        .catch((error: Error) => this.#failed(arrival, error));
    } catch (error) {
      return this.#failed(arrival, error as Error);
    }
  }

  #settle(arrival: Arrival, outcome: InboundOutcome): InboundOutcome {
    if (outcome.authentic) {
      rememberIdentity(arrival.request, outcome);
      arrival.body?.release();
    } else arrival.body?.discard();
    return outcome;
  }

  /** A promise, so that every later pass fails too. */
  #failed({ body }: Arrival, error: Error): Promise<never> {
    body?.discard();
    return Promise.reject(error);
  }

  #verify(arrival: Arrival, maxBodyBytes?: number): MaybePromise<InboundOutcome> {
    const verification = this.#reception.verificationOf(arrival);
    if (!verification.rejected && this.#isRoutedAmbiguously(arrival)) {
      return this.#refuse(arrival, inauthentic('ambiguous_path'));
    }
    return andThen(verification.findKey(), (failure) => {
      if (failure) return failure;
      if (arrival.isBodyLost) return this.#bodyLost(arrival);
      return andThen(arrival.body?.hold(maxBodyBytes), (bodyFailure) =>
        bodyFailure ? this.#refuse(arrival, bodyFailure) : this.#conclude(arrival, verification),
      );
    });
  }

  #conclude(arrival: Arrival, verification: Verification): MaybePromise<InboundOutcome> {
    arrival.body?.flush();
    return andThen(verification.conclude(), (result): InboundOutcome => {
      // While the signature was verified the caller may have gone away, and with it the bytes that were held.
      const lost = result.authentic ? arrival.body?.failure : undefined;
      return lost ? this.#refuse(arrival, lost) : result;
    });
  }

  /** The path policy for what is routed, beside what was signed: proxies and servers may rewrite targets. */
  #isRoutedAmbiguously({ request, reading, url, sentTarget }: Arrival): boolean {
    if (this.#settings.pathPolicy !== 'strict') return false;
    if (comesOffTheWire(request) && isReadAsLatin1(sentTarget)) return true;
    return reading.routedTargets(request).some((target) => target !== url && isAmbiguousTarget(target));
  }

  #bodyLost(arrival: Arrival): MAuthFailure {
    this.#settings.logger.error(
      'MAuth: the body of a request was read before it could be authenticated. Configuration error: a middleware ' +
        'or hook that reads bodies stands in front of MAuth (in Nest: it was registered on the HTTP server instance ' +
        'before the application was created); register it afterwards.',
    );
    return this.#refuse(arrival, undecided('body_unavailable'));
  }

  /** A parser waits for a body that does not come, and nobody else will answer. */
  #stalled(arrival: Arrival): void {
    if (arrival.outcome || arrival.isRouted || arrival.reading.isRouted(arrival.request)) return;
    const failure = this.#refuse(arrival, { authentic: false, status: 408, code: 'body_timeout' });
    arrival.outcome = failure;
    arrival.body?.discard();
    sendAnswer(arrival, this.answerTo(failure));
  }

  /** Writes down what the caller does not learn, and what verification itself has not written. */
  #refuse<F extends MAuthFailure | MAuthBodyFailure>(
    { request, response, sentTarget }: Arrival,
    failure: F,
  ): F {
    // The rest of the body may still come, so the connection cannot carry another request.
    if (failure.status === 408) response.shouldKeepAlive = false;
    const subject = `${printable(request.method ?? '')} ${printable(pathOf(sentTarget))}`;
    this.#settings.logger.warn(`MAuth: ${subject} was refused (${failure.code})`);
    return failure;
  }
}

const TOO_LARGE: MAuthBodyFailure = Object.freeze({ authentic: false, status: 413, code: 'body_too_large' });
