import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { type MaybePromise } from '../authentication/and-then.js';
import { type RequestHead } from '../authentication/mauth-authenticator.js';
import { type Verification } from '../authentication/verification.js';
import { Exchange } from './request-pair.js';
import { type InboundOutcome } from './inbound-outcome.js';
import { type RequestReading } from './platform.js';
import { type WireBody } from './request-body-tap.js';

/** One request on its way in: what was found out about it so far. */
export class Arrival extends Exchange implements RequestHead {
  /** Path and query on the wire. */
  readonly sentTarget: string;
  /** Path and query that the signature covers: others where a proxy has rewritten them. */
  url: string;
  /** Undefined while nobody has asked about a request without MAuth headers. */
  verification?: Verification;
  /** Undefined when the request has no body, or its body will not be looked at. */
  body?: WireBody;
  /** Somebody has read the body before it could be watched. */
  isBodyLost?: boolean;
  /** The server has said that a route has the request: handlers and guards see to its body. */
  isRouted = false;
  /** Verification is done once, however many guards and doors ask. */
  outcome?: MaybePromise<InboundOutcome>;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    readonly reading: RequestReading,
  ) {
    super(request, response);
    this.sentTarget = reading.sentTarget(request);
    this.url = this.sentTarget;
  }

  get method(): string {
    return this.request.method ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }
}
