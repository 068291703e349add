import { type MAuthRequestToAuthenticate } from '../authentication/mauth-authenticator.js';
import { type MAuthHeaderFields } from '../protocol/headers.js';
import { targetOf } from './event-target.js';
import { isPayloadV2, type LambdaHttpEvent, type PayloadV1, type PayloadV2 } from './lambda-http-event.js';

/** The request behind an event. `body` is undefined where the event does not tell whether there was one. */
export type EventRequest = Omit<MAuthRequestToAuthenticate, 'body' | 'url'> & {
  /** Path and query on the wire, one character a byte; empty when nobody can tell them any more. */
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
