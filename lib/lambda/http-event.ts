import { type MAuthRequestToAuthenticate } from '../authentication/mauth-authenticator.js';
import { type Answer } from '../http/refusals.js';
import { bytesOfText } from '../protocol/byte-string.js';
import { type MAuthHeaderFields } from '../protocol/headers.js';
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

/** The request behind an event. `body` is undefined where the event does not tell whether there was one. */
export type EventRequest = Omit<MAuthRequestToAuthenticate, 'body' | 'url'> & {
  /** Path and query on the wire, one character a byte; empty where their spelling is lost. */
  readonly url: string;
  readonly body: MAuthRequestToAuthenticate['body'] | undefined;
};

/** Reads the request behind an event. */
export function eventRequest(event: LambdaHttpEvent): EventRequest {
  const isV2 = isPayloadV2(event);
  return {
    method: (isV2 ? event.requestContext.http.method : event.httpMethod) ?? '',
    url: targetOf(event) ?? '',
    headers: isV2 ? headersOf(event.headers) : allHeaders(event),
    body: isV2 ? bodyOfV2(event) : bodyOf(event),
  };
}

/** Where there is a list of all lines it counts: the other map has only the last line of each header. */
function allHeaders({ multiValueHeaders, headers }: PayloadV1): MAuthHeaderFields {
  return headersOf(multiValueHeaders ?? headers);
}

function headersOf(headers: unknown): MAuthHeaderFields {
  return typeof headers === 'object' && headers !== null && !Array.isArray(headers)
    ? (headers as MAuthHeaderFields)
    : {};
}

/** A missing body is an empty one in this payload, but for authorizers: they are never told about bodies. */
function bodyOfV2(event: PayloadV2): EventRequest['body'] {
  if (event.body === undefined) return event.type === undefined ? null : undefined;
  return bodyOf(event);
}

function bodyOf({ body, isBase64Encoded }: LambdaHttpEvent): EventRequest['body'] {
  if (body === null) return null;
  if (typeof body !== 'string') return undefined;
  return isBase64Encoded === true ? Buffer.from(body, 'base64') : body;
}

/**
 * Path and query of an event as the caller sent and signed them, the stage included.
 *
 * REST APIs, Function URLs and load balancers hand the path on as it was spelled; HTTP APIs decode it. REST APIs and
 * HTTP APIs with payload format 1.0 decode the query. What was decoded is encoded again in exactly one way: in the
 * path all that may stand in a path stays (RFC 3986, section 3.3), in the query only what V2 leaves unescaped. So a
 * caller who spelled a path in another way, such as `@` as `%40`, is not understood behind an HTTP API.
 *
 * @param event of API Gateway (REST or HTTP API), a Function URL or an Application Load Balancer
 * @returns text of one character a byte, as `request.url` of Node; undefined when the event is of another kind, or
 * when the spelling on the wire is lost
 *
 * @example
 * eventTarget({ version: '2.0', rawPath: '/prod/studies', rawQueryString: 'page=1', requestContext, headers });
 * // '/prod/studies?page=1'
 */
export function eventTarget(event: unknown): string | undefined {
  const read = readHttpEvent(event);
  return read && targetOf(read);
}

/** As `eventTarget`, of an event that has been read. */
function targetOf(event: LambdaHttpEvent): string | undefined {
  const path = isPayloadV2(event) ? pathOfV2(event) : pathOfV1(event);
  const query = isPayloadV2(event) ? rawQueryOf(event) : queryOfMaps(event);
  if (path === undefined || query === undefined) return undefined;
  const target = query === '' ? path : `${path}?${query}`;
  return LOST.test(target) ? undefined : bytesOfText(target);
}

/** The path as a handler of the event reads it. */
export function routedPath(event: LambdaHttpEvent): string {
  return isPayloadV2(event) ? event.rawPath : event.path;
}

const FUNCTION_URL = /\.lambda-url\.[a-z0-9-]+\.on\.aws$/;

function pathOfV2({ rawPath, requestContext: { domainName } }: PayloadV2): string | undefined {
  const isFunctionUrl = typeof domainName === 'string' && FUNCTION_URL.test(domainName);
  return isFunctionUrl ? asSpelled(rawPath) : encodePath(rawPath);
}

function pathOfV1(event: PayloadV1): string | undefined {
  const { path, version, requestContext } = event;
  const full = typeof requestContext.path === 'string' ? requestContext.path : path;
  // The two differ by the stage in front; a difference in spelling says that one of them was decoded.
  const isDecoded = version === '1.0' || !full.endsWith(path);
  return isDecoded ? encodePath(full) : asSpelled(full);
}

const SPELLED_FOR_THE_WIRE = /^[\x21-\x3e\x40-\x7e]*$/;

/** A path that was not decoded. Characters that cannot stand on the wire prove that it was, after all. */
function asSpelled(path: string): string | undefined {
  if (SPELLED_FOR_THE_WIRE.test(path)) return path;
  return path.includes('%') ? undefined : encodePath(path);
}

function rawQueryOf({ rawQueryString }: PayloadV2): string | undefined {
  if (rawQueryString === undefined) return '';
  return typeof rawQueryString === 'string' ? rawQueryString : undefined;
}

/** Order among different names is lost in maps, and does not count in V2. */
function queryOfMaps(event: PayloadV1): string | undefined {
  const spell = isLoadBalancerEvent(event) ? (text: string) => text : encodeParameter;
  const pairs: string[] = [];
  const parameters = event.multiValueQueryStringParameters ?? event.queryStringParameters ?? {};
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof each !== 'string') return undefined;
      pairs.push(`${spell(name)}=${spell(each)}`);
    }
  }
  return pairs.join('&');
}

// These stand for bytes that are lost: two different requests would share a signature.
const LOST = /[\uFFFD\p{Surrogate}]/u;
const NOT_OF_A_PATH = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/gu;
const NOT_UNRESERVED = /[^A-Za-z0-9\-._~]/gu;

function encodePath(path: string): string {
  return path.replace(NOT_OF_A_PATH, percentEncoded);
}

function encodeParameter(text: string): string {
  return text.replace(NOT_UNRESERVED, percentEncoded);
}

function percentEncoded(character: string): string {
  // Left as it is, it makes the whole target unusable.
  if (LOST.test(character)) return character;
  return Buffer.from(character, 'utf8')
    .toString('hex')
    .toUpperCase()
    .replace(/../g, (hex) => `%${hex}`);
}
