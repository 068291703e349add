import { MAuthUnableToAuthenticateError } from '../../config/errors.js';
import {
  type Adapter,
  type AdapterChoice,
  type AxiosResponse,
  type MAuthRequestConfig,
  type RequestConfig,
} from './axios-types.js';
import { type AdapterRunner } from './adapter-runner.js';
import { cleanError, cleanResponse } from '../clean-outcome.js';
import { causeInWords } from '../signature-traces.js';
import { RequestDeadline } from './request-deadline.js';
import { ownProperty } from '../../protocol/own-properties.js';
import { framed, withContentType, withoutMAuth } from '../header-fields.js';
import {
  followsRedirects,
  withoutRedirects,
  arrivedFrom,
  discard,
  isRedirectStatus,
  redirectFailed,
  redirectLocation,
  tooManyRedirects,
  type AxiosAnswer,
  type RedirectStep,
  nextStep,
} from './redirects.js';
import { revealConnections } from '../hidden-connections.js';
import { bodyAtHand, readBody, type RequestBody } from '../request-body.js';
import { isHttp, requestTarget, signatureOf, type RequestSigner } from '../signed-step.js';
import { comesTo, credentialsOf, requestUrl } from './request-url.js';
import {
  AS_RECEIVED,
  DecompressedTooLarge,
  deliver,
  receivedBody,
  withEncodingFor,
} from './received-response.js';
import { authenticateResponse, type ResponseCheck, type ResponseChecks } from './response-authentication.js';
import { type SignedOrigins } from '../signing-options.js';

/** What a signing adapter works with. */
export interface SigningParts {
  readonly axios: AdapterRunner;
  readonly signer: RequestSigner;
  readonly isSigned: SignedOrigins;
  /** Largest stream, Blob or form, in bytes. */
  readonly maxStreamBytes: number;
  readonly responseChecks: ResponseChecks;
}

// As many as follow-redirects follows unless `maxRedirects` says otherwise.
const MAX_REDIRECTS = 21;

/**
 * An axios adapter that settles URL, headers and body, signs them, and has the chosen adapter send exactly those. The
 * adapter is the last to see a request: all interceptors and transforms have run.
 */
export function signingAdapter(choice: AdapterChoice, parts: SigningParts): Adapter {
  return async (config) => {
    revealConnections(config);
    try {
      return cleanResponse(await new OutgoingRequest(choice, config, parts).run(), config);
    } catch (error) {
      throw cleanError(error, config);
    }
  };
}

/** axios tells so by an error that names the response: its status and headers are not vouched for. */
function cutShort({ status }: AxiosResponse, cause: object): MAuthUnableToAuthenticateError {
  return new MAuthUnableToAuthenticateError(
    'body_unavailable',
    `The response (status ${status}) could not be authenticated: its body was cut short.`,
    { cause: causeInWords(cause) },
  );
}

/** One request of the caller's, with the redirects that it meets. */
class OutgoingRequest {
  readonly #deadline: RequestDeadline;
  readonly #check: ResponseCheck | undefined;

  constructor(
    private readonly choice: AdapterChoice,
    private readonly config: RequestConfig,
    private readonly parts: SigningParts,
  ) {
    this.#deadline = new RequestDeadline(config);
    this.#check = parts.responseChecks(ownProperty(config as MAuthRequestConfig<RequestConfig>, 'mauth'));
  }

  async run(): Promise<AxiosResponse> {
    const { config, parts } = this;
    const headers = withoutMAuth(config.headers);
    const url = requestUrl(config, parts.axios);
    if (!isHttp(url) || !parts.isSigned(url.origin)) {
      return this.#send(this.#asWritten(this.#configOf({ headers: headers as RequestConfig['headers'] })));
    }
    const body = await this.#settledBody();
    const step: RedirectStep = {
      url,
      method: (config.method ?? 'get').toUpperCase(),
      headers: withContentType(headers, body),
      auth: config.auth ?? credentialsOf(url),
      withBody: true,
      signed: true,
    };
    const settled = await this.#attempt(step, body);
    const first = !body.consumed && comesTo(url, config, parts.axios) ? this.#asWritten(settled) : settled;
    return followsRedirects(config) ? this.#follow(step, body, first) : this.#send(first);
  }

  /**
   * An adapter that is a function, such as one of a mocking library, may go by how the request was written: by its
   * relative URL, `baseURL`, `params` or transforms. It gets them where they come to the request that was signed.
   */
  #asWritten(settled: RequestConfig): RequestConfig {
    const { choice, config } = this;
    if (typeof choice !== 'function') return settled;
    const { url, baseURL, auth, timeout, timeoutErrorMessage, transformRequest, transformResponse } = config;
    const params: unknown = config.params;
    const asked = { url, baseURL, params, auth, timeout, timeoutErrorMessage };
    const written = { ...asked, transformRequest, transformResponse, adapter: choice };
    const adapter: Adapter = (given) => {
      if (!config.headers.has('Content-Length')) given.headers.delete('Content-Length');
      return choice({ ...given, ...written });
    };
    return { ...settled, adapter };
  }

  /** A request whose redirects, if any, are not followed here. */
  async #send(config: RequestConfig): Promise<AxiosResponse> {
    return this.#check ? this.#judged(await this.#exchange(config)) : this.parts.axios.send(config);
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

  async #follow(start: RedirectStep, body: RequestBody, first: RequestConfig): Promise<AxiosResponse> {
    let step = start;
    let attempt = first;
    const limit = this.config.maxRedirects || MAX_REDIRECTS;
    for (let followed = 0; ; followed++) {
      const answer = await this.#exchange(attempt);
      const location = redirectLocation(answer.response);
      if (location === undefined) return this.#judged(answer);
      discard(answer.response);
      if (followed >= limit) throw tooManyRedirects(answer);
      try {
        step = nextStep(step, answer.response, location, this.config);
      } catch (cause) {
        throw redirectFailed(answer, cause);
      }
      attempt = await this.#attempt(step, body);
    }
  }

  /**
   * Sends; a redirect comes back even where the caller's `validateStatus` refuses its status, and so does what is to be
   * authenticated.
   */
  async #exchange(config: RequestConfig): Promise<AxiosAnswer> {
    const validate = config.validateStatus;
    // Refusing redirects makes axios build the error that may be needed.
    config.validateStatus = (status) => !isRedirectStatus(status) && (!validate || validate(status));
    try {
      return { response: arrivedFrom(config.url, await this.parts.axios.send(config)) };
    } catch (error) {
      const response = (error as { response?: AxiosResponse } | undefined)?.response;
      if (response) arrivedFrom(config.url, response);
      if (!response || !(this.#check || isRedirectStatus(response.status))) throw error;
      return { response, refusal: error as object };
    }
  }

  /** The last response of a chain, authenticated, then accepted or refused as the caller's `validateStatus` has it. */
  async #judged({ response, refusal }: AxiosAnswer): Promise<AxiosResponse> {
    const { validateStatus } = this.config;
    if (this.#check) await this.#receive({ response, refusal }, this.#check);
    if (!refusal || !validateStatus || validateStatus(response.status)) return response;
    throw refusal as Error;
  }

  async #receive({ response, refusal }: AxiosAnswer, check: ResponseCheck): Promise<void> {
    if (refusal && response.data === undefined) throw cutShort(response, refusal);
    const body = receivedBody(response);
    await authenticateResponse(response, body?.bytes, check);
    try {
      if (body) await deliver(response, body, this.config);
    } catch (error) {
      if (!(error instanceof DecompressedTooLarge)) throw error;
      const message = `maxContentLength size of ${this.config.maxContentLength} exceeded`;
      throw await this.parts.axios.error(message, 'ERR_BAD_RESPONSE', response);
    }
  }

  /** The config of one request, signed now if it is to be signed. */
  async #attempt(step: RedirectStep, body: RequestBody): Promise<RequestConfig> {
    const sent = step.withBody ? body : undefined;
    const bytes = sent?.bytes ?? Buffer.alloc(0);
    const headers = {
      ...framed(step.headers, bytes),
      ...(await signatureOf(step, bytes, this.parts.signer)),
    };
    const { timeout, timeoutErrorMessage } = this.#deadline.rest();
    return this.#configOf({
      url: step.url.origin + requestTarget(step.url),
      method: step.method.toLowerCase(),
      headers: headers as RequestConfig['headers'],
      data: sent?.data,
      auth: step.auth,
      timeout,
      timeoutErrorMessage,
      // Settled in `url`.
      baseURL: undefined,
      params: undefined,
      ...withoutRedirects(this.config),
    });
  }

  /** Interceptors and transforms have run; the chosen adapter is all that is left to do. */
  #configOf(changes: Partial<RequestConfig>): RequestConfig {
    const done = { transformRequest: undefined, transformResponse: undefined, adapter: this.choice };
    if (!this.#check) return { ...this.config, ...done, ...changes };
    const headers = withEncodingFor(this.choice, changes.headers ?? {}) as RequestConfig['headers'];
    return { ...this.config, ...done, ...changes, ...AS_RECEIVED, headers };
  }
}
