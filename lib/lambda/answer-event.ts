import { type Answer } from '../http/answers.js';
import { ownProperty } from '../protocol/own-properties.js';

/** An answer as API Gateway, Function URLs and load balancers want it. */
export interface LambdaAnswer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  /** Only where the event has them; a load balancer that hands out lists of headers reads nothing else. */
  readonly multiValueHeaders?: Record<string, string[]>;
  readonly body: string;
  readonly isBase64Encoded: false;
}

export function answerEvent(event: unknown, { status, headers, body }: Answer): LambdaAnswer {
  const all: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', ...headers };
  return {
    statusCode: status,
    headers: all,
    ...(hasLists(event) && {
      multiValueHeaders: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]])),
    }),
    body: JSON.stringify(body),
    isBase64Encoded: false,
  };
}

function hasLists(event: unknown): boolean {
  const multiValueHeaders = ownProperty(event, 'multiValueHeaders');
  return typeof multiValueHeaders === 'object' && multiValueHeaders !== null;
}
