import { type CanActivate, HttpException } from '@nestjs/common';
import 'reflect-metadata';
import { type Answer, type MAuthInboundFailure } from '../http/refusals.js';

/** A guard that an application has in place of `MAuthGuard`: a subclass, or in tests anything at all. */
export interface ApplicationGuard extends CanActivate {
  toException?(failure: MAuthInboundFailure): HttpException;
}

// A plain name, so that a subclass of the guard of one copy of this package is known to the module of the other.
const IS_GUARD = 'nestjs-mauth:guard';

/** A decorator for `MAuthGuard`. */
export function mauthGuard(target: object): void {
  Reflect.defineMetadata(IS_GUARD, true, target);
}

/** Whether it is `MAuthGuard` or a subclass of it. */
export function isMAuthGuard(
  candidate: unknown,
): candidate is abstract new (...parameters: never[]) => CanActivate {
  return typeof candidate === 'function' && Reflect.getMetadata(IS_GUARD, candidate) === true;
}

/** Whether it is a subclass of `MAuthGuard`. */
export function isMAuthGuardSubclass(candidate: unknown): candidate is { readonly name: string } {
  return isMAuthGuard(candidate) && Reflect.getOwnMetadata(IS_GUARD, candidate) !== true;
}

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
