import { ForbiddenException, ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import { ANSWER_BODIES } from './answers.js';

/**
 * 401: the request is not authentic, whatever the reason.
 *
 * @example
 * catch (error) { if (error instanceof MAuthUnauthorizedException) … }
 */
export class MAuthUnauthorizedException extends UnauthorizedException {
  /** @param body what the caller gets, as JSON; default: the answer of all MAuth services */
  constructor(body: object = ANSWER_BODIES.unauthorized) {
    super(body);
  }
}

/** 401: MAuth protects HTTP requests; a handler of another kind was reached, and it is not `@Public()`. */
export class MAuthUnsupportedContextException extends MAuthUnauthorizedException {
  /** @param contextType as in `ExecutionContext.getType()`, such as `ws`, `rpc`, `graphql` */
  constructor(contextType: string) {
    super();
    this.message =
      `MAuth authenticates HTTP requests only, and this is a handler of type "${contextType}". ` +
      'Mark it with @Public() if callers without MAuth may reach it.';
  }
}

/** 403: the request is authentic, but its app is not among those that the handler is for. */
export class MAuthForbiddenException extends ForbiddenException {
  /** @param body what the caller gets, as JSON; default: the answer of all MAuth services */
  constructor(body: object = ANSWER_BODIES.forbidden) {
    super(body);
  }
}

/** 503: it could not be decided whether the request is authentic (500 where `undecidedStatus` says so). */
export class MAuthUnavailableException extends ServiceUnavailableException {
  readonly #status: 503 | 500;

  /**
   * @param status of the answer
   * @param body what the caller gets, as JSON; default: the answer of all MAuth services
   */
  constructor(status: 503 | 500 = 503, body: object = ANSWER_BODIES.undecided) {
    super(body);
    this.#status = status;
  }

  override getStatus(): number {
    return this.#status;
  }
}
