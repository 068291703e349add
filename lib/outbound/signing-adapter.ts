import { MAuthUnableToSignError } from '../mauth.errors.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { type Adapter, type AdapterChoice, type RequestConfig, type Response } from './axios-types.js';
import { type BareAxios } from './bare-axios.js';
import { RequestDeadline } from './request-deadline.js';
import { isMAuthHeader } from './mauth-header-names.js';
import { isRedirectStatus, keepHeaders, nextHop, redirectLocation, type Hop } from './redirection.js';
import { bodyAtHand, readBody, type RequestBody } from './request-body.js';
import { credentialsOf, requestTarget, requestUrl } from './request-url.js';
import { type SignedOrigins } from './signed-origins.js';

/** What a signing adapter works with. */
export interface SigningParts {
  readonly axios: BareAxios;
  readonly signer: Pick<MAuthSigner, 'signRequest'>;
  readonly isSigned: SignedOrigins;
  /** Largest stream, Blob or form, in bytes. */
  readonly maxStreamBytes: number;
}

// As many as follow-redirects follows unless `maxRedirects` says otherwise.
const MAX_REDIRECTS = 21;

/**
 * An axios adapter that settles URL, headers and body, signs them, and has the chosen adapter send exactly those. The
 * adapter is the last to see a request: all interceptors and transforms have run.
 */
export function signingAdapter(choice: AdapterChoice, parts: SigningParts): Adapter {
  return async (config) => {
    try {
      return restore(await new SignedExchange(choice, config, parts).run(), config);
    } catch (error) {
      throw restoreError(error, config);
    }
  };
}

/** A repeated request must start from the caller's config, not from the one that went to the adapter. */
function restore(response: Response, config: RequestConfig): Response {
  response.config = config;
  return response;
}

function restoreError(error: unknown, config: RequestConfig): unknown {
  if (typeof error !== 'object' || error === null) return error;
  const { response } = error as { response?: Response };
  if ('config' in error) Reflect.set(error, 'config', config);
  if (response) restore(response, config);
  return error;
}

/** One request of the caller's, with the redirects that it meets. */
class SignedExchange {
  readonly #deadline: RequestDeadline;

  constructor(
    private readonly choice: AdapterChoice,
    private readonly config: RequestConfig,
    private readonly parts: SigningParts,
  ) {
    this.#deadline = new RequestDeadline(config);
  }

  async run(): Promise<Response> {
    const { config, parts } = this;
    const headers = keepHeaders(config.headers, (name) => !isMAuthHeader(name));
    const url = requestUrl(config, parts.axios);
    if (!url || !parts.isSigned(url.origin)) {
      return parts.axios.send(this.#hopConfig({ headers: headers as RequestConfig['headers'] }));
    }
    const body = await this.#settledBody();
    const hop: Hop = {
      url,
      method: (config.method ?? 'get').toUpperCase(),
      headers: withContentType(headers, body),
      auth: config.auth ?? credentialsOf(url),
      withBody: true,
      signed: true,
    };
    return this.#followsRedirects()
      ? this.#follow(hop, body)
      : parts.axios.send(await this.#attempt(hop, body));
  }

  async #settledBody(): Promise<RequestBody> {
    const { config, parts } = this;
    const atHand = bodyAtHand(config.data);
    if (atHand) return atHand;
    const reading = this.#deadline.startReading();
    try {
      const body = await readBody(config.data, { maxBytes: parts.maxStreamBytes, signal: reading.signal });
      if (!body.consumed) return body;
      config.data = body.data;
      if (body.contentType) config.headers.set('Content-Type', body.contentType);
      return body;
    } finally {
      reading.stop();
    }
  }

  #followsRedirects(): boolean {
    const { maxRedirects, httpVersion, fetchOptions } = this.config as RequestConfig & {
      httpVersion?: unknown;
      fetchOptions?: { redirect?: unknown };
    };
    // axios follows none over HTTP/2, nor when its fetch adapter is told not to.
    return (
      maxRedirects !== 0 &&
      Number(httpVersion ?? 1) !== 2 &&
      (fetchOptions?.redirect ?? 'follow') === 'follow'
    );
  }

  async #follow(first: Hop, body: RequestBody): Promise<Response> {
    let hop = first;
    const limit = this.config.maxRedirects || MAX_REDIRECTS;
    for (let followed = 0; ; followed++) {
      const { response, refusal } = await this.#exchange(await this.#attempt(hop, body));
      const location = redirectLocation(response);
      if (location === undefined) return this.#judged(arrivedFrom(hop, response), refusal);
      discard(response);
      if (followed >= limit) {
        throw redirectError(
          refusal,
          response,
          'ERR_FR_TOO_MANY_REDIRECTS',
          'Maximum number of redirects exceeded',
        );
      }
      try {
        hop = nextHop(hop, response, location, this.config);
      } catch (cause) {
        const message = `Redirected request failed: ${cause instanceof Error ? cause.message : 'beforeRedirect threw'}`;
        throw redirectError(refusal, response, 'ERR_FR_REDIRECTION_FAILURE', message, cause);
      }
    }
  }

  /** Sends; a redirect comes back whatever the caller's `validateStatus` thinks of its status. */
  async #exchange(config: RequestConfig): Promise<{ response: Response; refusal?: object }> {
    const validate = config.validateStatus;
    // Refusing redirects makes axios build the error that may be needed.
    config.validateStatus = (status) => !isRedirectStatus(status) && (!validate || validate(status));
    try {
      return { response: await this.parts.axios.send(config) };
    } catch (error) {
      const response = (error as { response?: Response } | undefined)?.response;
      if (!response || !isRedirectStatus(response.status)) throw error;
      return { response, refusal: error as object };
    }
  }

  /** The last response of a chain, accepted or refused as the caller's `validateStatus` has it. */
  #judged(response: Response, refusal: object | undefined): Response {
    const { validateStatus } = this.config;
    if (!refusal || !validateStatus || validateStatus(response.status)) return response;
    throw refusal as Error;
  }

  /** The config of one request, signed now if it is to be signed. */
  async #attempt(hop: Hop, body: RequestBody): Promise<RequestConfig> {
    const sent = hop.withBody ? body : undefined;
    const bytes = sent?.bytes ?? Buffer.alloc(0);
    const headers = framed(
      keepHeaders(hop.headers, (name) => !isMAuthHeader(name)),
      bytes,
    );
    if (hop.signed) Object.assign(headers, await this.#signature(hop, bytes));
    const { timeout, timeoutErrorMessage } = this.#deadline.rest();
    return this.#hopConfig({
      url: hop.url.origin + requestTarget(hop.url),
      method: hop.method.toLowerCase(),
      headers: headers as RequestConfig['headers'],
      data: sent?.data,
      auth: hop.auth,
      timeout,
      timeoutErrorMessage,
      // Settled in `url`.
      baseURL: undefined,
      params: undefined,
      paramsSerializer: undefined,
      ...withoutRedirects(this.config),
    });
  }

  /** Interceptors and transforms have run; the chosen adapter is all that is left to do. */
  #hopConfig(changes: Partial<RequestConfig>): RequestConfig {
    const done = { transformRequest: undefined, transformResponse: undefined, adapter: this.choice };
    return { ...this.config, ...done, ...changes };
  }

  async #signature({ method, url }: Hop, body: Buffer): Promise<Record<string, string>> {
    try {
      return await this.parts.signer.signRequest({ method, url: requestTarget(url), body });
    } catch (cause) {
      if (cause instanceof MAuthUnableToSignError) throw cause;
      const message = cause instanceof Error ? cause.message : 'the signer failed';
      throw new MAuthUnableToSignError('signing_failed', `The request could not be signed: ${message}`, {
        cause,
      });
    }
  }
}

function withContentType(headers: Record<string, unknown>, body: RequestBody): Record<string, unknown> {
  const isSet = Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'content-type' && !!value,
  );
  if (!body.contentType || (body.weakType && isSet)) return headers;
  return { ...keepHeaders(headers, (name) => name !== 'content-type'), 'Content-Type': body.contentType };
}

/** The length is that of the signed bytes: another one would make the server read another body than was signed. */
function framed(headers: Record<string, unknown>, { length }: Buffer): Record<string, unknown> {
  const rest = keepHeaders(headers, (name) => name !== 'content-length' && name !== 'transfer-encoding');
  return length > 0 ? { ...rest, 'Content-Length': String(length) } : rest;
}

/** No adapter may follow a redirect on its own: it would take the signature along, to whatever origin. */
function withoutRedirects(config: RequestConfig): Partial<RequestConfig> {
  const { fetchOptions, transport } = config as { fetchOptions?: RequestInit; transport?: Transport };
  // axios has not always looked at `maxRedirects` in its fetch adapter, nor kept these options from changing a request.
  const { method: _method, headers: _headers, body: _body, ...harmless } = fetchOptions ?? {};
  return {
    maxRedirects: 0,
    beforeRedirect: undefined,
    fetchOptions: { ...harmless, redirect: 'manual' },
    ...(transport && { transport: stayingTransport(transport) }),
  } as Partial<RequestConfig>;
}

interface Transport {
  request(options: object, onResponse: unknown): unknown;
}

/** A caller's transport may be follow-redirects itself, which is switched off by this option. */
function stayingTransport(transport: Transport): Transport {
  return {
    request: (options, onResponse) =>
      transport.request(Object.assign(options, { followRedirects: false, maxRedirects: 0 }), onResponse),
  };
}

/** Where follow-redirects notes the URL that the answer came from; Node's own transport does not. */
function arrivedFrom({ url }: Hop, response: Response): Response {
  const message = (response.request as { res?: { responseUrl?: string } } | undefined)?.res;
  if (message) message.responseUrl ??= url.origin + requestTarget(url);
  return response;
}

function discard({ data }: Response): void {
  const stream = data as { destroy?: () => void; cancel?: () => Promise<void> } | undefined;
  if (typeof stream?.destroy === 'function') stream.destroy();
  else if (typeof stream?.cancel === 'function') void stream.cancel().catch(() => undefined);
}

type AxiosErrorClass = new (message: string, code: string, config: RequestConfig, request: unknown) => Error;

/** An error such as axios raises for redirects, of its own class where axios has made one on the way. */
function redirectError(
  refusal: object | undefined,
  { config, request }: Response,
  code: string,
  message: string,
  cause?: unknown,
): Error {
  const ErrorClass = refusal?.constructor as AxiosErrorClass | undefined;
  const error = ErrorClass
    ? new ErrorClass(message, code, config, request)
    : Object.assign(new Error(message), { code });
  if (cause !== undefined)
    Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  return error;
}
