import { type ExecutionContext } from '@nestjs/common';

/**
 * The request of a context of type `http`: the first thing that a handler is called with.
 *
 * `switchToHttp()` gives the same, but adds three functions to the context each time.
 */
export function httpRequest(context: ExecutionContext): unknown {
  return context.getArgByIndex<unknown>(0);
}
