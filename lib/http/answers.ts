import { type MAuthSettings } from '../config/options.js';
import { type MAuthInboundFailure } from './inbound-failure.js';

/** What a refused caller gets. */
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
 * The answer to a request that is refused, for the guard's exceptions and for the door alike.
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
