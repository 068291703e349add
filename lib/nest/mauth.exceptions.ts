import { ForbiddenException, ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import { ANSWER_BODIES } from '../http/refusals.js';

/** The `extensions` of an error in the answer of a GraphQL server whose resolver was refused. */
export interface MAuthGraphqlExtensions {
  /** `UNAUTHENTICATED`, `FORBIDDEN` or `SERVICE_UNAVAILABLE`. */
  readonly code: string;
  /** The answer that an HTTP handler would have given; Nest's own name for it. */
  readonly originalError: object;
}

/**
 * 401: the request is not authentic. The caller is not told why; the log is.
 *
 * @example
 * @Catch(MAuthUnauthorizedException)
 * class UnauthorizedFilter implements ExceptionFilter {
 *   catch(exception: MAuthUnauthorizedException, host: ArgumentsHost) {
 *     host.switchToHttp().getResponse<Response>().status(exception.getStatus()).json(exception.getResponse());
 *   }
 * }
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

/**
 * 401: a handler that is not `@Public()` was reached by something else than an HTTP request, such as a message of a
 * WebSocket or a broker. MAuth authenticates HTTP requests only. The message says what to do.
 */
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

/** 403: the request is authentic, but its app is none of those that `@RequiresMAuth({ apps })` names. */
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

/** 503, or 500 by the option `undecidedStatus`: it could not be decided whether the request is authentic. */
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

  /** 503, or what `undecidedStatus` says. */
  override getStatus(): number {
    return this.#status;
  }
}
