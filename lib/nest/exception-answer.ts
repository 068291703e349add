import { HttpException } from '@nestjs/common';
import { type Answer } from '../http/refusals.js';

/**
 * The answer that Nest's own exception filter would give, for a place in front of all filters.
 *
 * @param headers to be set beside it
 * @throws the exception itself where it is no HttpException
 */
export function answerOf(exception: unknown, headers: Answer['headers']): Answer {
  if (!(exception instanceof HttpException)) throw exception;
  const status = exception.getStatus();
  const response = exception.getResponse();
  const body = typeof response === 'object' ? response : { statusCode: status, message: response };
  return { status, headers, body: body as Answer['body'] };
}
