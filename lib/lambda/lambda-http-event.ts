import { ownProperties } from '../protocol/own-properties.js';

type Fields<T> = Readonly<Record<string, T | undefined>> | null;

/** What all events have in common. */
interface Payload {
  readonly headers?: Fields<string>;
  /** Absent where the event is for an authorizer, which never gets one. */
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  /** `REQUEST` in events for an authorizer. */
  readonly type?: unknown;
}

/** Events of REST APIs, of HTTP APIs with payload format 1.0, and of Application Load Balancers. */
export interface PayloadV1 extends Payload {
  /** `1.0` from HTTP APIs, else absent. */
  readonly version?: unknown;
  readonly httpMethod: string;
  /** Without the stage. */
  readonly path: string;
  readonly multiValueHeaders?: Fields<readonly string[]>;
  readonly queryStringParameters?: Fields<string>;
  readonly multiValueQueryStringParameters?: Fields<readonly string[]>;
  readonly requestContext: {
    /** With the stage, where the caller wrote one; absent from load balancers. */
    readonly path?: unknown;
    /** Load balancers only. */
    readonly elb?: unknown;
  };
}

/** Events of HTTP APIs with payload format 2.0 and of Function URLs. */
export interface PayloadV2 extends Payload {
  readonly version: '2.0';
  /** With the stage, where the caller wrote one. */
  readonly rawPath: string;
  readonly rawQueryString?: string;
  readonly requestContext: {
    readonly domainName?: unknown;
    readonly http: { readonly method: string };
  };
}

export type LambdaHttpEvent = PayloadV1 | PayloadV2;

/**
 * The event of an HTTP request, in one of the known payloads, with what it has itself: what a faulty merge wrote to
 * `Object.prototype` is no part of it. Undefined for any other event.
 */
export function readHttpEvent(event: unknown): LambdaHttpEvent | undefined {
  const own = ownProperties(event) as Readonly<Record<string, unknown>>;
  if (!isObject(own.requestContext)) return undefined;
  const context = ownProperties(own.requestContext);
  if (own.version !== '2.0') {
    const isComplete = typeof own.httpMethod === 'string' && typeof own.path === 'string';
    return isComplete ? ({ ...own, requestContext: context } as unknown as PayloadV1) : undefined;
  }
  const http = ownProperties(context.http) as Readonly<Record<string, unknown>>;
  const isComplete = typeof http.method === 'string' && typeof own.rawPath === 'string';
  return isComplete ? ({ ...own, requestContext: { ...context, http } } as unknown as PayloadV2) : undefined;
}

export function isPayloadV2(event: LambdaHttpEvent): event is PayloadV2 {
  return event.version === '2.0';
}

export function isLoadBalancerEvent(event: LambdaHttpEvent): boolean {
  return Object.hasOwn(event.requestContext, 'elb');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
