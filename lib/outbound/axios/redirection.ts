import { type AxiosResponse, type RequestConfig } from './axios-types.js';
import { applyHook } from './before-redirect.js';
import { isHttp } from './request-url.js';
import { keepHeaders } from '../header-fields.js';
import { type Hop } from './redirect-step.js';
import { becomesGet, CREDENTIALS } from '../redirect-rules.js';

/**
 * The request that follows a redirect, by the rules of follow-redirects, which axios leaves redirects to. Those are
 * not left to it here because each request needs a signature of its own, or none.
 *
 * @throws Error when the location is no URL or not HTTP, or what the caller's `beforeRedirect` throws
 */
export function nextHop(hop: Hop, response: AxiosResponse, location: string, config: RequestConfig): Hop {
  const isGet = becomesGet(response.status, hop.method);
  const url = resolve(location, hop.url);
  const next: Hop = {
    method: isGet ? 'GET' : hop.method,
    url,
    headers: keepHeaders(hop.headers, (name) => name !== 'host' && !(isGet && name.startsWith('content-'))),
    auth: hop.auth,
    withBody: hop.withBody && !isGet,
    signed: hop.signed,
  };
  const adjusted = applyHook(confined(next, hop, config), hop, response, config);
  return { ...adjusted, signed: hop.signed && adjusted.url.origin === hop.url.origin };
}

function resolve(location: string, from: URL): URL {
  const url = new URL(location, from);
  if (isHttp(url)) return url;
  throw new Error(`Unsupported protocol ${url.protocol}`);
}

/** Leaves credentials behind when the origin changes. */
function confined(next: Hop, hop: Hop, config: RequestConfig): Hop {
  if (next.url.origin === hop.url.origin) return next;
  const { sensitiveHeaders = [] } = config as { sensitiveHeaders?: string[] };
  const secret = new Set([...CREDENTIALS, ...sensitiveHeaders.map((name) => name.toLowerCase())]);
  return { ...next, auth: undefined, headers: keepHeaders(next.headers, (name) => !secret.has(name)) };
}
