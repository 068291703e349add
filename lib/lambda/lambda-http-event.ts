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

/** Whether this is the event of an HTTP request, in one of the known payloads. */
export function isHttpEvent(event: unknown): event is LambdaHttpEvent {
  if (!isObject(event) || !isObject(event.requestContext)) return false;
  const { requestContext } = event;
  if (event.version === '2.0') {
    const { http } = requestContext;
    return isObject(http) && typeof http.method === 'string' && typeof event.rawPath === 'string';
  }
  return typeof event.httpMethod === 'string' && typeof event.path === 'string';
}

export function isPayloadV2(event: LambdaHttpEvent): event is PayloadV2 {
  return event.version === '2.0';
}

export function isLoadBalancerEvent(event: LambdaHttpEvent): boolean {
  return 'elb' in event.requestContext;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
