import { type ClientRequest } from 'node:http';
import { isObject, mayShowSignature, readProperty, withoutSignatures } from './signature-traces.js';

/**
 * Stands in `request` of errors and responses, where axios leaves the request of Node or of fetch: that one holds the
 * signature, and leads to other requests by way of its agent.
 */
export class SentRequest {
  readonly method?: string;
  readonly url?: string;
  /** Such as `https:`. */
  readonly protocol?: string;
  /** Without the port. */
  readonly host?: string;
  /** With the query. */
  readonly path?: string;
  /** Where an answer came, and from which URL, after all redirects. */
  readonly res?: { readonly statusCode?: number; readonly responseUrl?: string };

  constructor(request: object) {
    const res = readProperty(request, 'res');
    const responseUrl = isObject(res) ? text(res, 'responseUrl') : undefined;
    const url = parsed(responseUrl ?? text(request, 'url') ?? text(request, '_currentUrl') ?? urlOf(request));
    // Of HTTP/2, and of follow-redirects.
    const sent = object(request, 'sentHeaders');
    const options = object(request, '_options');
    this.method = text(request, 'method') ?? text(sent, ':method') ?? text(options, 'method');
    this.url = url?.href;
    this.protocol = url?.protocol ?? text(request, 'protocol') ?? text(options, 'protocol');
    this.host = url?.hostname ?? text(request, 'host') ?? text(options, 'hostname');
    this.path = url ? url.pathname + url.search : (text(request, 'path') ?? text(sent, ':path'));
    if (isObject(res)) this.res = { statusCode: status(res), responseUrl };
  }
}

const described = new WeakMap<object, SentRequest>();

/** The description of a request; data of an adapter of the caller's own stays as it is. */
export function describedRequest(request: unknown): unknown {
  if (!isObject(request) || request instanceof SentRequest || !mayShowSignature(request)) return request;
  const description = described.get(request) ?? new SentRequest(request);
  described.set(request, description);
  return description;
}

function text(from: object, name: string): string | undefined {
  const value = readProperty(from, name);
  return typeof value === 'string' ? withoutSignatures(value) : undefined;
}

/** Of a request of Node that got no answer. */
function urlOf(request: object): string | undefined {
  const [protocol, path] = [text(request, 'protocol'), text(request, 'path')];
  const { getHeader } = request as Partial<ClientRequest>;
  const host = typeof getHeader === 'function' ? getHeader.call(request, 'host') : undefined;
  return protocol && path?.startsWith('/') && typeof host === 'string'
    ? `${protocol}//${host}${path}`
    : undefined;
}

function object(from: object, name: string): object {
  const value = readProperty(from, name);
  return isObject(value) ? value : {};
}

function status(res: object): number | undefined {
  const value = readProperty(res, 'statusCode');
  return typeof value === 'number' ? value : undefined;
}

function parsed(url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
}
