import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { reserveIdentity, type IdentitySlot } from '../authentication/identity.js';
import { type MAuthAuthenticator, type RequestHead } from '../authentication/mauth-authenticator.js';
import { isPromise, type MaybePromise } from '../authentication/maybe-promise.js';

import { isReadAsLatin1, pathOf, signedTarget } from '../authentication/path-policy.js';
import { inauthentic, undecided, type MAuthFailure } from '../authentication/result.js';
import { type Verification } from '../authentication/verification.js';
import { type MAuthSettings } from '../config/options.js';
import { printable, printablePath, requestSubject } from '../events/printable.js';
import { type TargetReader } from './platform.js';
import {
  sendAnswer,
  type Answer,
  type InboundOutcome,
  type MAuthBodyFailure,
  type MAuthInboundFailure,
} from './refusals.js';
import { RequestBodyTap, unreadBody, type BodyTapOptions } from './request-body-tap.js';
import {
  comesOffTheWire,
  contentLength,
  hasNoBody,
  isSigned,
  originalTarget,
  RequestPair,
} from './request-pair.js';

/** The parts that all requests of one server share. */
export interface RequestContext {
  readonly settings: MAuthSettings;
  readonly authenticator: MAuthAuthenticator;
  readonly bodies: BodyTapOptions;
  /** The answer for a caller who is refused beneath the framework. */
  readonly answerTo: (failure: MAuthInboundFailure) => Answer;
}

type Failure = MAuthFailure | MAuthBodyFailure;

/** A step of verification that was begun and has to be waited for; one of the three. */
interface PendingStep {
  /** Of finding the key. */
  readonly failure?: Promise<MAuthFailure | undefined>;
  /** Of waiting for the body. */
  readonly bodyFailure?: Promise<Failure | undefined>;
  /** Of verifying the signature. */
  readonly outcome?: Promise<InboundOutcome>;
  readonly maxBodyBytes?: number | undefined;
}

const TOO_LARGE: MAuthBodyFailure = Object.freeze({ authentic: false, status: 413, code: 'body_too_large' });
const TIMED_OUT: MAuthBodyFailure = Object.freeze({ authentic: false, status: 408, code: 'body_timeout' });
const NO_TARGETS: readonly string[] = [];

/** One request that has come in, from its first byte until it is authenticated or refused. */
export class IncomingRequest extends RequestPair implements RequestHead {
  readonly method: string;
  /** Path and query on the wire. */
  readonly originalTarget: string;
  /** Path and query that the signature covers: others where a proxy has rewritten them. */
  url: string;
  /** A route has the request: handlers and guards see to its body. */
  isRouted = false;
  #identitySlot: IdentitySlot | undefined;
  #verification: Verification | undefined;
  /** Undefined when the request has no body, or its body will not be looked at. */
  #body: RequestBodyTap | undefined;
  /** The body was read before it could be watched. */
  #isBodyLost = false;
  #outcome: MaybePromise<InboundOutcome> | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    private readonly reader: TargetReader,
    private readonly context: RequestContext,
  ) {
    super(request, response);
    this.method = request.method ?? '';
    this.originalTarget = originalTarget(request);
    this.url = this.originalTarget;
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  /** The version of the signature that was presented first; undefined for a request that is not signed. */
  get presentedVersion(): 1 | 2 | undefined {
    return this.#verification?.signatures.version;
  }

  /** Whether any MAuth authentication header came, even a malformed one. */
  get hasMAuthHeaders(): boolean {
    // Headers may be removed from a request on its way, but a signed request stays one.
    return this.presentedVersion !== undefined || isSigned(this.request.headers);
  }

  /** Method and path that the signature covers, fit for logs and events. */
  get line(): { readonly method: string; readonly path: string } {
    return { method: printable(this.method), path: printablePath(this.url) };
  }

  /** Milliseconds since verification began; 0 before that. */
  get durationMs(): number {
    return this.#verification?.durationMs ?? 0;
  }

  /** The request in a few words, fit for a log line. */
  get subject(): string {
    return requestSubject(this.method, this.originalTarget);
  }

  /** Whether verification has begun: at once for signed requests, for others when a guard or a gate asks. */
  get hasBegun(): boolean {
    return this.#verification !== undefined;
  }

  /** Whether a guard or a gate has asked. */
  get isAsked(): boolean {
    return this.#outcome !== undefined;
  }

  /** The path that the router goes by, as on the wire. */
  get routedPath(): string {
    const [target = ''] = this.reader.routedTargets(this.request);
    return pathOf(target);
  }

  /** Reads headers and time, once. From now on the body is watched, unless the request is known to fail. */
  begin(): Verification {
    if (this.#verification) return this.#verification;
    const { settings, authenticator, bodies } = this.context;
    this.#identitySlot = reserveIdentity(this.request, settings.logger);
    if (settings.requestTarget) this.url = signedTarget(settings, this.request);
    const verification = authenticator.beginRequest(this, settings.pathPolicy);
    this.#verification = verification;
    // Nothing is hashed, held or timed for a request that is known to fail.
    const announced = contentLength(this.request);
    if (verification.rejected || hasNoBody(this.request, announced)) return verification;
    const unread = unreadBody(this.request);
    this.#isBodyLost = unread === undefined;
    if (unread) this.#body = new RequestBodyTap(this, announced, unread, verification.verifier, bodies);
    return verification;
  }

  /**
   * Who signed the request. Verification is done once: later passes get the same outcome, and what came from outside
   * never makes it throw.
   *
   * @param maxBodyBytes largest body of the route, instead of `body.maxHeldBytes`, also where it was parsed already
   */
  authenticate(maxBodyBytes?: number): MaybePromise<InboundOutcome> {
    if (this.#outcome === undefined) return (this.#outcome = this.#authenticateOnce(maxBodyBytes));
    const outcome = this.#outcome;
    if (maxBodyBytes === undefined) return outcome;
    if (isPromise(outcome)) return outcome.then((late) => this.#within(maxBodyBytes, late));
    return this.#within(maxBodyBytes, outcome);
  }

  /** A parser waits for a body that does not come, and there is no guard that will answer. */
  stalled(): void {
    if (this.#outcome || this.isRouted || this.reader.isRouted(this.request)) return;
    const failure = this.#refuse(this.begin(), TIMED_OUT);
    this.#outcome = failure;
    this.#body?.discard();
    sendAnswer(this, this.context.answerTo(failure));
  }

  #authenticateOnce(maxBodyBytes?: number): MaybePromise<InboundOutcome> {
    try {
      return this.#verify(this.#verification ?? this.begin(), maxBodyBytes);
    } catch (error) {
      return this.#failed(error as Error);
    }
  }

  /** Without a promise where the key and the whole body are there. */
  #verify(verification: Verification, maxBodyBytes?: number): MaybePromise<InboundOutcome> {
    const failure = this.#prepare(verification);
    if (failure && isPromise(failure)) return this.#verifyLater(verification, { failure, maxBodyBytes });
    const bodyFailure = failure ? undefined : this.#holdBody(verification, maxBodyBytes);
    if (bodyFailure && isPromise(bodyFailure))
      return this.#verifyLater(verification, { bodyFailure, maxBodyBytes });
    const outcome = failure ?? bodyFailure ?? this.#conclude(verification);
    if (isPromise(outcome)) return this.#verifyLater(verification, { outcome, maxBodyBytes });
    return this.#settle(verification, outcome, maxBodyBytes);
  }

  /** The same where something has to be waited for: goes on behind the step that is given. */
  async #verifyLater(verification: Verification, pending: PendingStep): Promise<InboundOutcome> {
    try {
      const { outcome, bodyFailure, maxBodyBytes } = pending;
      if (outcome) return this.#settle(verification, await outcome, maxBodyBytes);
      const failure =
        (await pending.failure) ?? (await (bodyFailure ?? this.#holdBody(verification, maxBodyBytes)));
      return this.#settle(verification, failure ?? (await this.#conclude(verification)), maxBodyBytes);
    } catch (error) {
      return this.#failed(error as Error);
    }
  }

  #prepare(verification: Verification): MaybePromise<MAuthFailure | undefined> {
    const { request, url } = this;
    const isStrict = this.context.settings.pathPolicy === 'strict';
    if (
      isStrict &&
      !verification.rejected &&
      isReadAsLatin1(this.originalTarget) &&
      comesOffTheWire(request)
    ) {
      return verification.refuse(inauthentic('ambiguous_path'));
    }
    const routed = this.reader.routedTargets(request);
    return verification.prepare(routed.every((target) => target === url) ? NO_TARGETS : routed);
  }

  /** Waits until all bytes of the body have come, or tells why they will not. */
  #holdBody(verification: Verification, maxBodyBytes?: number): MaybePromise<Failure | undefined> {
    if (this.#isBodyLost) return this.#bodyLost(verification);
    const failure = this.#body?.hold(maxBodyBytes);
    if (!failure) return undefined;
    if (isPromise(failure)) return failure.then((late) => late && this.#refuse(verification, late));
    return this.#refuse(verification, failure);
  }

  #conclude(verification: Verification): MaybePromise<InboundOutcome> {
    this.#body?.flush();
    return verification.conclude();
  }

  #settle(verification: Verification, outcome: InboundOutcome, maxBodyBytes?: number): InboundOutcome {
    // While the signature was verified the caller may have gone away, and with it the bytes that were held.
    const lost = outcome.authentic ? this.#body?.failure : undefined;
    const settled = lost ? this.#refuse(verification, lost) : this.#within(maxBodyBytes, outcome);
    if (settled.authentic) {
      verification.accepted(settled);
      this.#identitySlot?.fill(settled);
      this.#body?.release();
    } else this.#body?.discard();
    return settled;
  }

  /** A promise, so that every later pass fails too. */
  #failed(error: Error): Promise<never> {
    this.#body?.discard();
    this.#verification?.failed();
    return Promise.reject(error);
  }

  /** The body may have been parsed, and so be known to be too large for the route, before the route was known. */
  #within(maxBodyBytes: number | undefined, outcome: InboundOutcome): InboundOutcome {
    if (maxBodyBytes === undefined) return outcome;
    const isTooLarge = (this.#body?.received ?? 0) > maxBodyBytes;
    return outcome.authentic && isTooLarge ? this.#refuse(this.begin(), TOO_LARGE) : outcome;
  }

  #bodyLost(verification: Verification): MAuthFailure {
    this.context.settings.logger.error(
      'MAuth: the body of a request was read before it could be authenticated. Configuration error: something ' +
        'that reads bodies stands in front of MAuth, such as a server that hands requests over once it has read ' +
        'them; let it come after MAuth.',
    );
    return verification.refuse(undecided('body_unavailable'));
  }

  #refuse(verification: Verification, failure: MAuthBodyFailure): MAuthBodyFailure {
    // The rest of the body may still come, so the connection cannot carry another request.
    if (failure.status === 408) this.response.shouldKeepAlive = false;
    return verification.refuse(failure);
  }
}
