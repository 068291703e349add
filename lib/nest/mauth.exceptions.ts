import { ForbiddenException, ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import { ANSWER_BODIES } from '../http/answers.js';

/** What GraphQL servers take over into their answer from an error that a resolver or its guard throws. */
export interface MAuthGraphqlExtensions {
  /** As clients of GraphQL expect it. */
  readonly code: string;
  /** The answer that an HTTP handler would have given; Nest's own name for it. */
  readonly originalError: object;
}

/**
 * 401: the request is not authentic, whatever the reason.
 *
 * @example
 * catch (error) { if (error instanceof MAuthUnauthorizedException) … }
 */
export class MAuthUnauthorizedException extends UnauthorizedException {
  static override readonly name: string = 'MAuthUnauthorizedException';

  readonly extensions: MAuthGraphqlExtensions;

  /** @param body what the caller gets, as JSON; default: the answer of all MAuth services */
  constructor(body: object = ANSWER_BODIES.unauthorized) {
    super(body);
    this.message = 'Unauthorized';
    this.extensions = { code: 'UNAUTHENTICATED', originalError: body };
  }
}

/** 401: MAuth protects HTTP requests; a handler was reached in another way, and it is not `@Public()`. */
export class MAuthUnsupportedContextException extends MAuthUnauthorizedException {
  static override readonly name: string = 'MAuthUnsupportedContextException';

  /** @param contextType as in `ExecutionContext.getType()`, such as `ws`, `rpc`, `graphql` */
  constructor(contextType: string) {
    super();
    const remedy =
      contextType === 'graphql'
        ? 'came without an HTTP request of this application: put the request into the GraphQL context, as `req`. ' +
          'Subscriptions, and operations over a socket, have none.'
        : 'has no request.';
    this.message =
      `MAuth authenticates HTTP requests only, and this call of a handler of type "${contextType}" ${remedy} ` +
      'Mark the handler with @Public() if callers without MAuth may reach it' +
      (contextType === 'rpc'
        ? '; other global guards run there only with connectMicroservice(…, { inheritAppConfig: true }).'
        : '.');
  }
}

/** 403: the request is authentic, but its app is not among those that the handler is for. */
export class MAuthForbiddenException extends ForbiddenException {
  static override readonly name: string = 'MAuthForbiddenException';

  readonly extensions: MAuthGraphqlExtensions;

  /** @param body what the caller gets, as JSON; default: the answer of all MAuth services */
  constructor(body: object = ANSWER_BODIES.forbidden) {
    super(body);
    this.message = 'Forbidden';
    this.extensions = { code: 'FORBIDDEN', originalError: body };
  }
}

/** 503: it could not be decided whether the request is authentic (500 where `undecidedStatus` says so). */
export class MAuthUnavailableException extends ServiceUnavailableException {
  static override readonly name: string = 'MAuthUnavailableException';

  readonly #status: 503 | 500;
  readonly extensions: MAuthGraphqlExtensions;

  /**
   * @param status of the answer
   * @param body what the caller gets, as JSON; default: the answer of all MAuth services
   */
  constructor(status: 503 | 500 = 503, body: object = ANSWER_BODIES.undecided) {
    super(body);
    this.#status = status;
    this.message = 'Could not determine request authenticity';
    this.extensions = { code: 'SERVICE_UNAVAILABLE', originalError: body };
  }

  override getStatus(): number {
    return this.#status;
  }
}
