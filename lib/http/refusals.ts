import { type MAuthFailure, type MAuthResult } from '../authentication/result.js';
import { type MAuthSettings } from '../config/options.js';
import { type RequestPair } from './request-pair.js';

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

/** The body did not come as it should, so the request could not be verified; `code` is for the log. */
export interface MAuthBodyFailure {
  readonly authentic: false;
  /** What the caller is answered with. */
  readonly status: 400 | 408 | 413 | 503;
  readonly code: MAuthBodyFailureCode;
}

/** The outcome of authenticating one incoming request. */
export type InboundOutcome = MAuthResult | MAuthBodyFailure;

/** The request is authentic, but its app is not among those that the handler is for. */
export interface MAuthAppNotAllowed {
  readonly authentic: true;
  readonly status: 403;
  readonly code: 'app_not_allowed';
}

/** Why a request is refused; for the log and for `toException` of the guard, never for the caller. */
export type MAuthInboundFailure = MAuthFailure | MAuthBodyFailure | MAuthAppNotAllowed;

/** The answer for a refused caller. */
export interface Answer {
  readonly status: number;
  /** To be set on the response, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** To be sent as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** The bodies that all MAuth services answer with. None of them tells the reason, the missing V2 excepted. */
export const ANSWER_BODIES = {
  unauthorized: because('Unauthorized'),
  forbidden: because('Forbidden'),
  undecided: because('Could not determine request authenticity'),
  missingV2: Object.freeze({
    type: 'errors:mauth:missing_v2',
    title:
      'This service requires mAuth v2 mcc-authentication header. Upgrade your mAuth library and configure it properly.',
  }),
  bodyIncomplete: because('Request body incomplete'),
  bodyTimeout: because('Request body timed out'),
  bodyTooLarge: because('Request body too large'),
} as const;

/** A full budget is free again as soon as other bodies are done. */
const RETRY_AFTER_BUDGET_SECONDS = 1;

/**
 * The answer to a request that is refused, for the guard's exceptions and for the gate alike.
 *
 * @example
 * const { status, headers, body } = answerFor({ authentic: false, status: 401, code: 'unknown_app' }, settings);
 */
export function answerFor(
  failure: MAuthInboundFailure,
  { undecidedStatus, keys }: Pick<MAuthSettings, 'undecidedStatus' | 'keys'>,
): Answer {
  switch (failure.status) {
    case 400:
      return answer(400, ANSWER_BODIES.bodyIncomplete);
    case 401:
      return answer(
        401,
        failure.code === 'missing_v2' ? ANSWER_BODIES.missingV2 : ANSWER_BODIES.unauthorized,
      );
    case 403:
      return answer(403, ANSWER_BODIES.forbidden);
    case 408:
      // The rest of the body may still come, so the connection cannot carry another request (RFC 9110, 15.5.9).
      return answer(408, ANSWER_BODIES.bodyTimeout, { connection: 'close' });
    case 413:
      return answer(413, ANSWER_BODIES.bodyTooLarge);
    case 503:
      if (failure.code === 'body_budget_full') return retryAfter(503, RETRY_AFTER_BUDGET_SECONDS);
      // Before the cool-down is over the MAuth service is not asked again, so trying earlier is in vain.
      return retryAfter(undecidedStatus, keys.cooldownSeconds);
  }
}

function retryAfter(status: 503 | 500, seconds: number): Answer {
  return answer(status, ANSWER_BODIES.undecided, status === 503 ? { 'retry-after': String(seconds) } : {});
}

function answer(status: number, body: Answer['body'], headers: Answer['headers'] = {}): Answer {
  return { status, headers, body };
}

function because(text: string) {
  return Object.freeze({ errors: Object.freeze({ mauth: Object.freeze([text]) }) });
}

/** Answers beneath the framework, which has not seen the request yet or waits for a body that does not come. */
export function sendAnswer(exchange: RequestPair, { status, headers, body }: Answer): void {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) return;
  const content = Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  // Express sets it before anything of the application runs that could take it away.
  response.removeHeader('x-powered-by');
  for (const [name, value] of Object.entries({ ...exchange.pendingHeaders(), ...headers })) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', content.length);
  response.end(content);
}
