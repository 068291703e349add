import { keepHeaders, type MAuthHeaderFields } from '../header-fields.js';
import { isHttp, redirectOf, type SignedStep } from '../signed-step.js';
import { type AxiosResponse, type RequestConfig } from './axios-types.js';

/** One request of a chain, in the terms of axios. */
export interface RedirectStep extends SignedStep {
  readonly headers: MAuthHeaderFields;
  readonly auth: RequestConfig['auth'];
  /** Whether the body goes along. */
  readonly withBody: boolean;
}

/**
 * The request that follows a redirect, by the rules of follow-redirects, which axios leaves redirects to. Those are
 * not left to it here because each request needs a signature of its own, or none.
 *
 * @throws Error when the location is no URL or not HTTP, or what the caller's `beforeRedirect` throws
 */
export function nextStep(
  step: RedirectStep,
  response: AxiosResponse,
  location: string,
  config: RequestConfig,
): RedirectStep {
  const url = resolve(location, step.url);
  const { method, isGet, isElsewhere, drops } = redirectOf(step, response.status, url);
  const { sensitiveHeaders = [] } = config as { sensitiveHeaders?: string[] };
  const sensitive = new Set(isElsewhere ? sensitiveHeaders.map((name) => name.toLowerCase()) : []);
  const next: RedirectStep = {
    method,
    url,
    headers: keepHeaders(step.headers, (name) => !(name === 'host' || drops(name) || sensitive.has(name))),
    auth: isElsewhere ? undefined : step.auth,
    withBody: step.withBody && !isGet,
    signed: step.signed,
  };
  const adjusted = applyHook(next, step, response, config);
  return { ...adjusted, signed: step.signed && adjusted.url.origin === step.url.origin };
}

function resolve(location: string, from: URL): URL {
  const url = new URL(location, from);
  if (isHttp(url)) return url;
  throw new Error(`Unsupported protocol ${url.protocol}`);
}

/** Lets the caller's `beforeRedirect` change the request, in the terms of Node's `http.request`. */
function applyHook(
  next: RedirectStep,
  step: RedirectStep,
  response: AxiosResponse,
  config: RequestConfig,
): RedirectStep {
  if (!config.beforeRedirect) return next;
  const options = requestOptions(next, config);
  config.beforeRedirect(
    options,
    { headers: response.headers as Record<string, string>, statusCode: response.status },
    {
      url: step.url.href,
      method: step.method,
      headers: { Host: step.url.host, ...step.headers },
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

function requestOptions({ url, method, headers, auth }: RedirectStep, { maxRedirects }: RequestConfig) {
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

function hookAuth(auth: string | undefined): RedirectStep['auth'] {
  if (!auth) return undefined;
  const colon = auth.indexOf(':');
  return { username: auth.slice(0, colon), password: auth.slice(colon + 1) };
}

/** An answer of the adapter, and the error that axios made of it, if it did. */
export interface AxiosAnswer {
  readonly response: AxiosResponse;
  readonly refusal?: object;
}

/** The statuses at which a Location is followed. */
export function isRedirectStatus(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Where the response redirects to, as sent; undefined when it does not. */
export function redirectLocation({ status, headers }: AxiosResponse): string | undefined {
  const location: unknown = (headers as { get(name: string): unknown }).get('location');
  return isRedirectStatus(status) && typeof location === 'string' && location !== '' ? location : undefined;
}

/** Gives up the body of an answer that is not read. */
export function discard({ data }: AxiosResponse): void {
  const stream = data as { destroy?: () => void; cancel?: () => Promise<void> } | undefined;
  if (typeof stream?.destroy === 'function') stream.destroy();
  else if (typeof stream?.cancel === 'function') void stream.cancel().catch(() => undefined);
}

/** Notes the URL that the answer came from where follow-redirects does; Node's own transport does not. */
export function arrivedFrom(url: string | undefined, response: AxiosResponse): AxiosResponse {
  const message = (response.request as { res?: { responseUrl?: string } } | undefined)?.res;
  if (message && url !== undefined && URL.canParse(url)) message.responseUrl ??= url;
  return response;
}

type AxiosErrorClass = new (message: string, code: string, config: RequestConfig, request: unknown) => Error;

/** The error of a chain that is longer than `maxRedirects`, as axios has it. */
export function tooManyRedirects(answer: AxiosAnswer): Error {
  return axiosError(answer, 'ERR_FR_TOO_MANY_REDIRECTS', 'Maximum number of redirects exceeded');
}

/** The error of a redirect that cannot be followed, as axios has it. */
export function redirectFailed(answer: AxiosAnswer, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = axiosError(answer, 'ERR_FR_REDIRECTION_FAILURE', `Redirected request failed: ${reason}`);
  return Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
}

/** Of axios' own class, where axios has made an error on the way. */
function axiosError({ refusal, response }: AxiosAnswer, code: string, message: string): Error {
  const ErrorClass = refusal?.constructor as AxiosErrorClass | undefined;
  if (!ErrorClass) return Object.assign(new Error(message), { code });
  return new ErrorClass(message, code, response.config, response.request);
}

/** What axios 1.21 knows and older ones, or their types, do not. */
type LaterConfig = Omit<RequestConfig, 'transport'> & {
  httpVersion?: unknown;
  fetchOptions?: RequestInit;
  transport?: Transport;
};

interface Transport {
  request(options: object, onResponse: unknown): unknown;
}

/** Whether axios would follow redirects of this request. */
export function followsRedirects(config: RequestConfig): boolean {
  const { maxRedirects, httpVersion, fetchOptions } = config as LaterConfig;
  // axios follows none over HTTP/2, nor when its fetch adapter is told not to.
  return (
    maxRedirects !== 0 && Number(httpVersion ?? 1) !== 2 && (fetchOptions?.redirect ?? 'follow') === 'follow'
  );
}

/** No adapter may follow a redirect on its own: it would take the signature along, to any origin. */
export function withoutRedirects(config: RequestConfig): Partial<RequestConfig> {
  const { fetchOptions, transport } = config as LaterConfig;
  // axios has not always looked at `maxRedirects` in its fetch adapter, nor kept these from changing a request.
  const { method: _method, headers: _headers, body: _body, ...harmless } = fetchOptions ?? {};
  return {
    maxRedirects: 0,
    beforeRedirect: undefined,
    fetchOptions: { ...harmless, redirect: 'manual' },
    ...(transport && { transport: stayingTransport(transport) }),
  } as Partial<RequestConfig>;
}

/** A caller's transport may be follow-redirects itself, which is switched off by this option. */
function stayingTransport(transport: Transport): Transport {
  return {
    request: (options, onResponse) =>
      transport.request(Object.assign(options, { followRedirects: false, maxRedirects: 0 }), onResponse),
  };
}
