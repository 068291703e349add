import { isIP } from 'node:net';
import { valuesOf, type RawHeaders } from './raw-headers.js';
import { Refusal } from './refusal.js';

/** An origin as browsers write it: scheme, host and port, the port left out where it is the scheme's own. */
export function originOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/` && !/[?#]/.test(text);
  return isOrigin ? url.origin : undefined;
}

/** Whether a page may have been made to send a request, and which page that is. */
export interface Page {
  /** The value of `Origin`, where the page is one of those that are allowed by `allowedOrigins`. */
  readonly allowed?: string;
  /** Why the request is not to be signed: it was sent by a page of another site. */
  readonly refused?: string;
}

const OWN_SITES = new Set(['same-origin', 'none']);

/**
 * Which page sent the request, by what the browser says and no page can change.
 *
 * @param own the origin that the request goes to, as the page sees it
 */
export function pageOf(headers: RawHeaders, own: string, allowed: ReadonlySet<string>): Page {
  const origins = valuesOf(headers, 'origin');
  const [origin] = origins;
  if (origins.length > 1) return { refused: 'it has several Origin headers' };
  if (origin !== undefined && allowed.has(origin)) return { allowed: origin };
  if (origin !== undefined && origin !== own) return { refused: 'its Origin is another' };
  const sites = valuesOf(headers, 'sec-fetch-site');
  if (!sites.every((site) => OWN_SITES.has(site)))
    return { refused: 'its Sec-Fetch-Site is of another site' };
  return {};
}

/** The same for requests without `Origin` and `Sec-Fetch-Site`, which browsers leave out towards `http:` addresses. */
export function refererRefused(headers: RawHeaders, own: string): string | undefined {
  const isSame = (referer: string) => URL.canParse(referer) && new URL(referer).origin === own;
  return valuesOf(headers, 'referer').every(isSame) ? undefined : 'its Referer is of another site';
}

/**
 * The proxy's own authority, as the request names it.
 *
 * @throws Refusal with 403 where it names another: a page can make its own name lead to the loopback
 */
export function ownHost(headers: RawHeaders, port: number): string {
  const hosts = valuesOf(headers, 'host');
  const host = hosts[0]?.toLowerCase() ?? '';
  if (hosts.length === 1 && isOwnAuthority(host, port)) return host;
  throw new Refusal(403, `The Host of a request must be that of the proxy, such as 127.0.0.1:${port}.`);
}

const OWN_NAMES = ['127.0.0.1', 'localhost', '[::1]'];

function isOwnAuthority(host: string, port: number): boolean {
  return OWN_NAMES.some((name) => host === `${name}:${port}` || (port === 80 && host === name));
}

/** Whether a host name with a port leads to the proxy again. */
export function leadsBack(hostname: string, port: number, ownPort: number): boolean {
  const isLoopback =
    OWN_NAMES.includes(hostname) ||
    /\.?localhost\.?$/.test(hostname) ||
    hostname === '0.0.0.0' ||
    hostname === '[::]' ||
    /^\[::ffff:/.test(hostname) ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'));
  return isLoopback && port === ownPort;
}

/** Whether the browser asks beforehand if the page may send its request (CORS). */
export function isPreflight(method: string, headers: RawHeaders): boolean {
  return method === 'OPTIONS' && valuesOf(headers, 'access-control-request-method').length > 0;
}

/**
 * The answer to a preflight of an allowed page. The proxy gives it itself: a preflight cannot be signed, so the target
 * would refuse it, and it is the user of the proxy who allowed the page.
 */
export function preflightAnswer(origin: string, asked: RawHeaders): RawHeaders {
  const methods = valuesOf(asked, 'access-control-request-method');
  const names = valuesOf(asked, 'access-control-request-headers');
  const isPrivate = valuesOf(asked, 'access-control-request-private-network').length > 0;
  return [
    ...readableBy(origin),
    ['Access-Control-Allow-Methods', methods.join(', ')],
    ...names.map((name) => ['Access-Control-Allow-Headers', name] as const),
    ...(isPrivate ? [['Access-Control-Allow-Private-Network', 'true'] as const] : []),
    ['Access-Control-Max-Age', '600'],
  ];
}

/** An answer, such that an allowed page can read it: the target knows nothing of that page. */
export function forAllowedPage(origin: string, headers: RawHeaders): RawHeaders {
  const own = headers.filter(([name]) => !/^access-control-/i.test(name));
  const names = [...new Set(own.map(([name]) => name.toLowerCase()))].filter((name) => name !== 'set-cookie');
  return [...own, ...readableBy(origin), ['Access-Control-Expose-Headers', names.join(', ')]];
}

function readableBy(origin: string): RawHeaders {
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Allow-Credentials', 'true'],
    ['Vary', 'Origin'],
  ];
}
