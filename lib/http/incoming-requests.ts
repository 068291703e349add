import { type IncomingMessage, type ServerResponse } from 'node:http';
import { expectIdentity } from '../authentication/known-identity.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { objectNotes } from '../authentication/object-notes.js';
import { type Verification } from '../authentication/verification.js';
import { type MAuthSettings } from '../config/options.js';
import { Arrival } from './incoming-request.js';
import { bufferedBody } from './buffered-body.js';
import { hasNoBody } from './request-pair.js';
import { HeldBytesBudget } from './held-bytes.js';
import { type RequestReading } from './platform.js';
import { WireBody, type WireBodyOptions } from './request-body-tap.js';
import { ownProperty } from '../protocol/own-properties.js';

/** Where requests come in: each is written down, and the body of a signed one is watched from its first byte on. */
export class Reception {
  readonly #settings: MAuthSettings;
  readonly #authenticator: MAuthAuthenticator;
  readonly #onArrival: ((arrival: Arrival) => void) | undefined;
  readonly #bodies: WireBodyOptions;
  readonly #arrivals = objectNotes<IncomingMessage, Arrival>();

  /**
   * @param onStall a body does not come, and nobody waits for it here
   * @param onArrival a request has just come in, and nobody has answered it yet
   */
  constructor(
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    onStall: (arrival: Arrival) => void,
    onArrival?: (arrival: Arrival) => void,
  ) {
    this.#settings = settings;
    this.#authenticator = authenticator;
    this.#onArrival = onArrival;
    const { maxHeldBytes, maxHeldBytesTotal, timeoutMs } = settings.body;
    this.#bodies = {
      keeps: settings.mode === 'remote',
      budget: new HeldBytesBudget(maxHeldBytesTotal),
      maxHeldBytes,
      timeoutMs,
      onStall: (request) => {
        const arrival = this.#arrivals.get(request);
        if (arrival) onStall(arrival);
      },
    };
  }

  /** Undefined for a request that did not come in here. */
  find(request: IncomingMessage): Arrival | undefined {
    return this.#arrivals.get(request);
  }

  /** Headers and time of a signed request are read now. Does so once, however often a request comes in. */
  receive(
    reading: RequestReading,
    request: IncomingMessage,
    response: ServerResponse,
    isRouted = false,
  ): void {
    const known = this.#arrivals.get(request);
    const arrival = known ?? new Arrival(request, response, reading);
    if (isRouted) arrival.isRouted = true;
    if (!known) this.#begin(arrival);
  }

  /** Begins to verify, unless that has been done. */
  verificationOf(arrival: Arrival): Verification {
    if (arrival.verification) return arrival.verification;
    expectIdentity(arrival.request).logger = this.#settings.logger;
    arrival.url = this.#signedTarget(arrival);
    const verification = this.#authenticator.beginRequest(arrival, this.#settings.pathPolicy);
    arrival.verification = verification;
    // Nothing is hashed, held or timed for a request that is known to fail.
    if (!verification.rejected && !hasNoBody(arrival.request)) this.#watchBody(arrival, verification);
    return verification;
  }

  #begin(arrival: Arrival): void {
    const { request } = arrival;
    this.#arrivals.set(request, arrival);
    if (isSigned(request)) this.verificationOf(arrival);
    this.#onArrival?.(arrival);
  }

  #signedTarget({ request, sentTarget }: Arrival): string {
    const { requestTarget, logger } = this.#settings;
    if (!requestTarget) return sentTarget;
    try {
      const target: unknown = requestTarget(request);
      if (typeof target === 'string') return target;
      logger.error('MAuth: option `requestTarget` must return path and query as text');
    } catch {
      logger.error('MAuth: option `requestTarget` threw an error');
    }
    return ''; // No signature covers that.
  }

  #watchBody(arrival: Arrival, verification: Verification): void {
    const buffered = bufferedBody(arrival.request);
    if (!buffered) {
      arrival.isBodyLost = true;
      return;
    }
    arrival.body = new WireBody(arrival, verification, this.#bodies);
    arrival.body.adopt(buffered.chunks, buffered.ended);
  }
}

/** Whether any authentication header is there, even a malformed one; a time alone is nothing. */
export function isSigned(request: Partial<Pick<IncomingMessage, 'headers'>>): boolean {
  const headers = ownProperty(request, 'headers');
  return (
    ownProperty(headers, 'mcc-authentication') !== undefined ||
    ownProperty(headers, 'x-mws-authentication') !== undefined
  );
}
