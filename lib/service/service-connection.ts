import { setMaxListeners } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { type RequestOptions } from 'node:https';
import { pipeline, Readable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { MAuthConfigurationError, MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { VERSION } from '../config/version.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { discardAnswer, readAnswerText } from './service-answer.js';
import { TimedOutError, within } from './within.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';

/** Why the MAuth service gave no answer that says anything; each is also a `MAuthUndecidedCode`. */
export type ServiceFailureCode = 'service_unavailable' | 'own_app_refused';

/** The MAuth service could not be asked, or does not listen to us. */
export class ServiceFailure extends MAuthUnableToAuthenticateError {
  static override readonly name: string = MAuthUnableToAuthenticateError.name;

  /** @param status with which it answered; undefined when there was no answer */
  constructor(
    code: ServiceFailureCode,
    message: string,
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** Where the MAuth service is. */
export interface ServiceAddress {
  readonly isHttps: boolean;
  /** Host, port and the like, for `request` of node:http or node:https. */
  readonly target: RequestOptions;
  /** What every path of the service begins with, such as `/mauth/v1`; as it goes over the wire. */
  readonly basePath: string;
}

/**
 * Reads the address once. An attacker who can change what comes over plain HTTP could hand us any public key, so `http:`
 * is taken for the loopback only, unless it is allowed by name.
 *
 * @throws MAuthConfigurationError that names `mauthUrl` and `service.allowHttp`
 */
export function serviceAddress(mauthUrl: string, apiVersion: string, allowHttp: boolean): ServiceAddress {
  const url = new URL(mauthUrl);
  const isHttps = url.protocol === 'https:';
  if (!isHttps && !allowHttp && !isLoopback(url.hostname)) {
    throw new MAuthConfigurationError(
      `MAuth option \`mauthUrl\` (environment: MAUTH_URL) must begin with https:// for the host ${url.hostname}; ` +
        'set `service.allowHttp` (environment: MAUTH_ALLOW_HTTP) to true to trust the network in between.',
    );
  }
  const { protocol, hostname, port } = urlToHttpOptions(url);
  return {
    isHttps,
    target: { protocol, hostname, port },
    basePath: `${url.pathname.replace(/\/+$/, '')}/mauth/${apiVersion}`,
  };
}

/** `URL` has already brought every spelling of an IPv4 address to four decimal numbers. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Runs something around one attempt to ask. */
export type AroundAttempt = (attempt: number, ask: () => Promise<ServiceAnswer>) => Promise<ServiceAnswer>;

/** One question to the MAuth service. */
export interface ServiceQuestion {
  readonly method: 'GET' | 'POST';
  /** Below `/mauth/{apiVersion}/`. */
  readonly path: string;
  readonly body?: QuestionBody;
  /** Whether the text of a 200 matters; `status`: the status says all. */
  readonly wants: 'text' | 'status';
  /** Is run around each attempt, from 1 on. What it throws is not repeated. */
  readonly around?: AroundAttempt | undefined;
  /** `once`: it is not repeated where the service fails. Default: up to twice more. */
  readonly attempts?: 'once' | undefined;
}

/** JSON, written piece by piece, and once more for each attempt. */
export interface QuestionBody extends Iterable<string> {
  /** In bytes of UTF-8. */
  readonly length: number;
}

/** An answer; `text` is empty unless it was wanted and the status is 200. */
export class ServiceAnswer {
  constructor(
    readonly status: number,
    readonly headers: http.IncomingHttpHeaders,
    readonly text = '',
  ) {}
}

/** What the connection needs of the settings. */
export type ServiceSettings = Pick<MAuthSettings, 'mauthUrl' | 'apiVersion' | 'service'>;

/** The service could not be reached, or failed: asking once more may help. */
class RepeatableFailure extends ServiceFailure {}

const REPETITIONS = 2;

/** Options of Node that say who is asked and who is believed; it looks for them on prototypes, too. */
const UNSET: https.RequestOptions = {
  auth: undefined,
  ca: undefined,
  createConnection: undefined,
  host: undefined,
  lookup: undefined,
  socketPath: undefined,
};

/**
 * Asks the MAuth service: each attempt signed afresh, over connections that are kept alive, within one deadline that
 * covers connecting, sending, reading and repeating. Redirects are not followed: the service's answers decide who
 * is who, so no other server is asked.
 */
export class MAuthServiceConnection {
  readonly #mauthUrl: string;
  readonly #address: ServiceAddress;
  readonly #signer: MAuthSigner;
  readonly #deadlineMs: number;
  readonly #agent: http.Agent;
  readonly #ownAgent: http.Agent | undefined;
  readonly #closing = new AbortController();
  readonly #repeat = retry(
    handleWhen((error) => error instanceof RepeatableFailure),
    { maxAttempts: REPETITIONS, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }) },
  );

  /** @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed */
  constructor({ mauthUrl = '', apiVersion, service }: ServiceSettings, signer: MAuthSigner) {
    this.#mauthUrl = mauthUrl;
    this.#address = serviceAddress(mauthUrl, apiVersion, service.allowHttp);
    this.#signer = signer;
    this.#deadlineMs = service.deadlineMs;
    const { Agent } = this.#address.isHttps ? https : http;
    this.#ownAgent = service.agent
      ? undefined
      : new Agent({ keepAlive: true, maxSockets: service.maxOpenFetches });
    this.#agent = service.agent ?? (this.#ownAgent as http.Agent);
    setMaxListeners(0, this.#closing.signal); // One for each question that is open.
  }

  /**
   * @param withinMs at most `service.deadlineMs`, which is the default
   * @throws ServiceFailure `service_unavailable` (no answer in time, network error, 5xx, 429) or `own_app_refused`
   * (401, 403); MAuthUnableToAuthenticateError `service_answer_malformed`
   */
  async ask(question: ServiceQuestion, withinMs = this.#deadlineMs): Promise<ServiceAnswer> {
    const deadlineMs = Math.min(withinMs, this.#deadlineMs);
    try {
      const answer: unknown = await within(
        deadlineMs,
        (signal) => this.#attempts(question, signal),
        this.#closing.signal,
      );
      // Where a prototype is polluted, a policy may take a failure for a success.
      if (answer instanceof ServiceAnswer) return answer;
      throw unavailable('was asked, and what came of it cannot be told');
    } catch (error) {
      if (!(error instanceof TimedOutError)) throw error;
      throw unavailable(`did not answer within ${Math.ceil(deadlineMs)} ms`);
    }
  }

  /** Ends what is under way and closes the connections; an agent that was given is its owner's to close. */
  close(): void {
    this.#closing.abort(unavailable('is not asked any more: the application shuts down'));
    this.#ownAgent?.destroy();
  }

  #attempts(question: ServiceQuestion, signal: AbortSignal): Promise<ServiceAnswer> {
    const around = ownProperty(question, 'around');
    let count = 0;
    const attempt = () => {
      const ask = () => this.#attempt(question, signal);
      return around ? around(++count, ask) : ask();
    };
    return ownProperty(question, 'attempts') === 'once' ? attempt() : this.#repeat.execute(attempt, signal);
  }

  async #attempt(question: ServiceQuestion, signal: AbortSignal): Promise<ServiceAnswer> {
    const { method, path, body, wants } = ownProperties(question);
    const url = `${this.#address.basePath}/${path}`;
    const headers = { ...(await this.#sign({ method, url }, body)), ...headersFor(body) };
    try {
      const answer = await this.#send({ method, path: url, headers, signal }, body);
      const { statusCode: status = 0 } = answer;
      if (status === 200 && wants === 'text')
        return new ServiceAnswer(status, answer.headers, await readAnswerText(answer));
      discardAnswer(answer);
      this.#assertListens(status);
      return new ServiceAnswer(status, answer.headers);
    } catch (cause) {
      if (cause instanceof MAuthUnableToAuthenticateError) throw cause;
      const code = ownProperty(cause as NodeJS.ErrnoException, 'code') ?? 'no code';
      throw new RepeatableFailure(...failure(`cannot be reached, or hung up (${code})`), undefined, {
        cause,
      });
    }
  }

  /** Throws where the status says nothing about the question: the service fails, or does not listen to this app. */
  #assertListens(status: number): void {
    if (status === 401 || status === 403) throw this.#ownAppRefused(status);
    if (status === 429) throw unavailable('answered 429', status);
    if (status >= 500) throw new RepeatableFailure(...failure(`answered ${status}`), status);
  }

  #ownAppRefused(status: number): ServiceFailure {
    return new ServiceFailure(
      'own_app_refused',
      `The MAuth service at ${this.#mauthUrl} refuses the questions of this app itself, app UUID ` +
        `${this.#signer.appUuid}, with ${status}, so no request can be authenticated. Check that this UUID ` +
        '(`appUuid`, APP_UUID) and the private key (`privateKey`, PRIVATE_KEY) belong together and are registered ' +
        'there, and that the clock of this machine is right.',
      status,
    );
  }

  async #sign(
    request: { method: string; url: string },
    body: QuestionBody | undefined,
  ): Promise<Record<string, string>> {
    try {
      return await (body
        ? this.#signer.signRequestInPieces(request, body)
        : this.#signer.signRequest(request));
    } catch (cause) {
      throw unavailable('was not asked, because the question could not be signed', undefined, { cause });
    }
  }

  #send(options: https.RequestOptions, body: QuestionBody | undefined): Promise<http.IncomingMessage> {
    const { request } = this.#address.isHttps ? https : http;
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...UNSET, ...this.#address.target, ...options, agent: this.#agent });
      outgoing.on('response', (answer) => {
        // An answer that comes before the end of the question is all that is wanted, and ends the question.
        if (!outgoing.writableEnded) outgoing.destroy();
        resolve(answer);
      });
      outgoing.on('error', reject);
      // Such as after a switch of protocols, which comes without an error.
      outgoing.on('close', () => reject(new Error('The connection was closed without an answer.')));
      if (body) pipeline(Readable.from(body, { objectMode: true }), outgoing, () => undefined);
      else outgoing.end();
    });
  }
}

function headersFor(body: QuestionBody | undefined): Record<string, string | number> {
  return {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': `nestjs-mauth/${VERSION}`,
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': body.length,
    }),
  };
}

function failure(what: string): [code: 'service_unavailable', message: string] {
  return ['service_unavailable', `The MAuth service ${what}.`];
}

function unavailable(what: string, status?: number, options?: ErrorOptions): ServiceFailure {
  return new ServiceFailure(...failure(what), status, options);
}
