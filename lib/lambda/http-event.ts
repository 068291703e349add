import { type Answer } from '../http/refusals.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

type Fields<T> = Readonly<Record<string, T | undefined>> | null;

/** The parts that all events share. */
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
 * Reads the event of an HTTP request, in one of the known payloads. The result has no prototype: what a faulty merge
 * wrote to `Object.prototype` is no part of an event.
 *
 * @returns undefined for any other event
 */
export function readHttpEvent(event: unknown): LambdaHttpEvent | undefined {
  const read = ownProperties(event) as Record<string, unknown>;
  if (!isObject(read.requestContext)) return undefined;
  const requestContext: Record<string, unknown> = ownProperties(read.requestContext);
  read.requestContext = requestContext;
  if (read.version !== '2.0') {
    const isComplete = typeof read.httpMethod === 'string' && typeof read.path === 'string';
    return isComplete ? (read as unknown as PayloadV1) : undefined;
  }
  const http = ownProperties(requestContext.http) as Record<string, unknown>;
  requestContext.http = http;
  const isComplete = typeof http.method === 'string' && typeof read.rawPath === 'string';
  return isComplete ? (read as unknown as PayloadV2) : undefined;
}

export function isPayloadV2(event: LambdaHttpEvent): event is PayloadV2 {
  return event.version === '2.0';
}

export function isLoadBalancerEvent(event: LambdaHttpEvent): boolean {
  return Object.hasOwn(event.requestContext, 'elb');
}

/** An answer as API Gateway, Function URLs and load balancers want it. */
export interface LambdaAnswer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  /** Only where the event has them; a load balancer that hands out lists of headers reads nothing else. */
  readonly multiValueHeaders?: Record<string, string[]>;
  readonly body: string;
  readonly isBase64Encoded: false;
}

/** The answer to a refused request, in the form that the event calls for. */
export function answerEvent(event: unknown, { status, headers, body }: Answer): LambdaAnswer {
  const all: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', ...headers };
  return {
    statusCode: status,
    headers: all,
    ...(isObject(ownProperty(event, 'multiValueHeaders')) && {
      multiValueHeaders: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]])),
    }),
    body: JSON.stringify(body),
    isBase64Encoded: false,
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
