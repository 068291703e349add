import { AsyncLocalStorage } from 'node:async_hooks';
import { ownProperty } from '../protocol/own-properties.js';
import { eventTarget } from './http-event.js';

const currentEvent = new AsyncLocalStorage<unknown>();

/**
 * Remembers the event while an application handles it. Adapters that run a whole application make a request of the
 * event, and that request no longer has the stage, nor path and query as they were spelled; `lambdaRequestTarget`
 * finds them in the event.
 *
 * @param handler of `@codegenie/serverless-express`, `@fastify/aws-lambda` and the like
 *
 * @example
 * // MAuthModule.forRoot({ ...mauthOptionsFromEnv(), requestTarget: lambdaRequestTarget })
 * export const handler = withLambdaEvent(serverlessExpress({ app: nestApp.getHttpAdapter().getInstance() }));
 */
export function withLambdaEvent<Parameters extends readonly unknown[], Result>(
  handler: (...parameters: Parameters) => Result,
): (...parameters: Parameters) => Result {
  return (...parameters) => currentEvent.run(parameters[0], () => handler(...parameters));
}

/**
 * For the option `requestTarget` of `MAuthModule`: path and query as the caller sent them to API Gateway, a Function
 * URL or a load balancer. Outside of Lambda it is the request's own target, so the same application runs locally.
 *
 * @returns empty, which no signature covers, when the event is of another kind or its spelling is lost
 *
 * @example
 * MAuthModule.forRoot({ ...mauthOptionsFromEnv(), requestTarget: lambdaRequestTarget });
 */
export function lambdaRequestTarget(request: unknown): string {
  const event = currentEvent.getStore();
  if (event !== undefined) return eventTarget(event) ?? '';
  const own = request as { originalUrl?: string; url?: string } | undefined;
  return ownProperty(own, 'originalUrl') ?? ownProperty(own, 'url') ?? '';
}
