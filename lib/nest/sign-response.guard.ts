import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type AnyClass } from './access-metadata.js';
import { nodeRequest } from '../http/request-pair.js';
import { httpRequest } from './http-request.js';
import { PerHandler } from './handler-cache.js';
import { type ResponseSigning } from '../http/response-signing.js';
import { isSignResponse } from './sign-response.decorator.js';

/**
 * Refuses nothing: it notes that a handler with `@SignResponse()` was reached. As a global guard it comes before all
 * others, so that their refusals of authentic requests are signed too.
 */
export class SignResponseGuard implements CanActivate {
  readonly #responses: ResponseSigning;
  readonly #marks = new PerHandler(isSignResponse);

  constructor(responses: ResponseSigning) {
    this.#responses = responses;
  }

  canActivate(context: ExecutionContext): boolean {
    if (context.getType<string>() === 'http' && this.#isMarked(context)) {
      this.#responses.signAlways(nodeRequest(httpRequest(context)));
    }
    return true;
  }

  #isMarked(context: ExecutionContext): boolean {
    return this.#marks.of({
      controller: context.getClass<AnyClass>(),
      handler: context.getHandler(),
    });
  }
}
