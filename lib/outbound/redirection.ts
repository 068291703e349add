import { type RequestConfig, type Response } from './axios-types.js';

/** One request of a chain: the first, or one that a redirect has led to. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  /** As the caller and his transforms set them, without MAuth's; a value of false keeps axios from setting one. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly auth: RequestConfig['auth'];
  /** Whether the body goes along. */
  readonly withBody: boolean;
  /** Whether the request is signed: only as long as no redirect has led away from the first origin. */
  readonly signed: boolean;
}

// What follow-redirects and axios hold back from another origin.
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie'];

/** Where the response redirects to, as sent; undefined when it does not. */
export function redirectLocation({ status, headers }: Response): string | undefined {
  const location = (headers as Record<string, unknown> | undefined)?.location;
  return isRedirectStatus(status) && typeof location === 'string' && location !== '' ? location : undefined;
}

/** The statuses at which a Location is followed. */
export function isRedirectStatus(status: number): boolean {
  return status >= 300 && status < 400;
}

/**
 * The request that follows a redirect, by the rules of follow-redirects, which axios leaves redirects to. Those are
 * not left to it here because each request needs a signature of its own, or none.
 *
 * @throws Error when the location is no URL or not HTTP, or what the caller's `beforeRedirect` throws
 */
export function nextHop(hop: Hop, response: Response, location: string, config: RequestConfig): Hop {
  const becomesGet = toGet(response.status, hop.method);
  const url = resolve(location, hop.url);
  const next: Hop = {
    method: becomesGet ? 'GET' : hop.method,
    url,
    headers: keepHeaders(
      hop.headers,
      (name) => name !== 'host' && !(becomesGet && name.startsWith('content-')),
    ),
    auth: hop.auth,
    withBody: hop.withBody && !becomesGet,
    signed: hop.signed,
  };
  const adjusted = applyHook(confined(next, hop, config), hop, response, config);
  return { ...adjusted, signed: hop.signed && adjusted.url.origin === hop.url.origin };
}

function toGet(status: number, method: string): boolean {
  // RFC 9110, 15.4: a POST may become a GET at 301 and 302; at 303 all but HEAD do.
  return (
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && !/^(GET|HEAD)$/.test(method))
  );
}

function resolve(location: string, from: URL): URL {
  const url = new URL(location, from);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`Unsupported protocol ${url.protocol}`);
  return url;
}

/** Leaves credentials behind when the origin changes. */
function confined(next: Hop, hop: Hop, config: RequestConfig): Hop {
  if (next.url.origin === hop.url.origin) return next;
  const { sensitiveHeaders = [] } = config as { sensitiveHeaders?: string[] };
  const secret = new Set([...CREDENTIALS, ...sensitiveHeaders.map((name) => name.toLowerCase())]);
  return { ...next, auth: undefined, headers: keepHeaders(next.headers, (name) => !secret.has(name)) };
}

/** The headers whose name, in lower case, passes. */
export function keepHeaders(
  headers: Readonly<Record<string, unknown>>,
  keeps: (name: string) => boolean,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => keeps(name.toLowerCase())));
}

/** Lets the caller's `beforeRedirect` change the request, in the terms of Node's `http.request`. */
function applyHook(next: Hop, hop: Hop, response: Response, config: RequestConfig): Hop {
  if (!config.beforeRedirect) return next;
  const options = requestOptions(next, config);
  config.beforeRedirect(
    options,
    { headers: response.headers as Record<string, string>, statusCode: response.status },
    {
      url: hop.url.href,
      method: hop.method,
      headers: { Host: hop.url.host, ...hop.headers },
    },
  );
  const { protocol, hostname, port, path } = options;
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  const url = new URL(`${protocol}//${host}${port === '' ? '' : `:${port}`}${path}`);
  return {
    ...next,
    url,
    method: options.method.toUpperCase(),
    headers: options.headers,
    auth: hookAuth(options.auth),
  };
}

function requestOptions({ url, method, headers, auth }: Hop, { maxRedirects }: RequestConfig) {
  return {
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    host: url.host,
    port: url.port === '' ? ('' as const) : Number(url.port),
    href: url.href,
    pathname: url.pathname,
    search: url.search,
    path: url.pathname + url.search,
    method,
    headers: { ...headers },
    auth: auth && `${auth.username}:${auth.password}`,
    maxRedirects,
  };
}

function hookAuth(auth: string | undefined): Hop['auth'] {
  if (!auth) return undefined;
  const colon = auth.indexOf(':');
  return { username: auth.slice(0, colon), password: auth.slice(colon + 1) };
}
