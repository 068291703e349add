import { type MAuthFailure } from '../authentication/result.js';
import { type MAuthBodyFailure } from './inbound-outcome.js';

/** The request is authentic, but its app is not among those that the handler is for. */
export interface MAuthAppNotAllowed {
  readonly authentic: true;
  readonly status: 403;
  readonly code: 'app_not_allowed';
}

/** Why a request is refused; for the log and for `toException` of the guard, never for the caller. */
export type MAuthInboundFailure = MAuthFailure | MAuthBodyFailure | MAuthAppNotAllowed;
