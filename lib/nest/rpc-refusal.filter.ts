import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { of, throwError, type Observable } from 'rxjs';
import { MAuthUnsupportedContextException } from './mauth.exceptions.js';
import { ownProperty } from '../protocol/own-properties.js';

/** `UNAUTHENTICATED`, as gRPC numbers it. */
const GRPC_UNAUTHENTICATED = 16;

/** What callers of message handlers get in place of an answer. Nest's own errors have the same shape. */
interface RpcError {
  readonly status: 'error';
  readonly message: string;
  readonly code?: number;
}

/** As much of a call of gRPC as is used here. */
interface GrpcCall {
  emit(event: 'error', error: RpcError): unknown;
}

/**
 * Tells callers of message handlers why they were refused, and what the remedy is. For Nest this is an exception of
 * HTTP, so it would answer "Internal server error".
 */
@Catch(MAuthUnsupportedContextException)
export class RpcRefusalFilter implements ExceptionFilter<MAuthUnsupportedContextException> {
  /** @returns what Nest sends in place of the handler's answer */
  catch({ message }: MAuthUnsupportedContextException, host: ArgumentsHost): Observable<unknown> {
    const error: RpcError = { status: 'error', message };
    const [first, second, third] = host.getArgs<unknown[]>();
    if (isGrpcCall(first)) return endCall(first, second, { ...error, code: GRPC_UNAUTHENTICATED });
    return throwError(() => (isGrpcCall(third) ? { ...error, code: GRPC_UNAUTHENTICATED } : error));
  }
}

/**
 * A handler with `@GrpcStreamCall()` answers by itself, and Nest does not look at what it returns: an error there would
 * be an unhandled rejection, and end the process.
 */
function endCall(call: GrpcCall, callback: unknown, error: RpcError): Observable<undefined> {
  if (typeof callback === 'function') (callback as (error: RpcError) => void)(error);
  else call.emit('error', error);
  return of(undefined);
}

function isGrpcCall(value: unknown): value is GrpcCall {
  return ['emit', 'sendMetadata'].every((name) => typeof ownProperty(value, name) === 'function');
}
