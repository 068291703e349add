import { type MAuthResult } from '../authentication/result.js';

/** Why the body of a request could not be taken; the status is the answer's. */
export type MAuthBodyFailureCode =
  /** 413: larger than `body.maxHeldBytes` or the route's `maxBodyBytes`. */
  | 'body_too_large'
  /** 503: `body.maxHeldBytesTotal` of the process is used up, and this body had no room, or stalled and made room. */
  | 'body_budget_full'
  /** 408: did not arrive within `body.timeoutMs`. */
  | 'body_timeout'
  /** 400: the caller went away, or its message was cut short, or went on behind its announced length. */
  | 'body_aborted';

export interface MAuthBodyFailure {
  readonly authentic: false;
  readonly status: 400 | 408 | 413 | 503;
  readonly code: MAuthBodyFailureCode;
}

/** What became of authenticating one incoming request. */
export type InboundOutcome = MAuthResult | MAuthBodyFailure;
