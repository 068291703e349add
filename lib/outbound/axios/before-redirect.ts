import { type AxiosResponse, type RequestConfig } from './axios-types.js';
import { type Hop } from './redirect-step.js';

/** Lets the caller's `beforeRedirect` change the request, in the terms of Node's `http.request`. */
export function applyHook(next: Hop, hop: Hop, response: AxiosResponse, config: RequestConfig): Hop {
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
