import { type ExecutionContext } from '@nestjs/common';

/**
 * The request of a context of type `http`: the first thing that a handler is called with.
 *
 * `switchToHttp()` gives the same, but adds three functions to the context each time. Under load V8 comes to allocate
 * them among the old objects, where they keep the whole request alive until the next full collection.
 */
export function httpRequest(context: ExecutionContext): unknown {
  return context.getArgByIndex<unknown>(0);
}
