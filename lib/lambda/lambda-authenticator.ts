import { type MAuthRequestToAuthenticate } from '../authentication/mauth-authenticator.js';
import { type MAuthResult } from '../authentication/result.js';
import { type Answer } from '../http/refusals.js';
import { fromEnvironment, type EventAuthenticator } from './event-authenticator.js';

/** The outcome for a request. */
export interface LambdaVerdict {
  readonly authentic: boolean;
  /** 200 when authentic; else the status to answer with: 401, or 503 (500 by `undecidedStatus`) when undecided. */
  readonly status: 200 | 401 | 503 | 500;
  /** Empty when authentic; else what the caller may be told. The reason is in the log only. */
  readonly message: string;
}

/**
 * One request to a Lambda function, in the form in which functions that were written for the Python client ask.
 *
 * @example
 * const request = new LambdaAuthenticator('POST', '/prod/studies?page=1', headers, body);
 * const { authentic, status, message } = await request.isAuthentic();
 * if (!authentic) return { statusCode: status, body: message };
 * console.log(`called by ${request.getAppUuid()}`);
 */
export class LambdaAuthenticator {
  readonly #request: MAuthRequestToAuthenticate;
  readonly #authenticator: EventAuthenticator;
  #verdict: Promise<LambdaVerdict> | undefined;
  #appUuid: string | undefined;

  /**
   * @param method as sent, in upper case
   * @param url path and query as sent, or the absolute URL
   * @param headers by name; a value may be the list of its lines
   * @param body the bytes as sent, or text that stands for its UTF-8 bytes; null = the request has no body
   * @param authenticator default: one for the whole process, configured from the environment
   */
  constructor(
    method: string,
    url: string,
    headers: MAuthRequestToAuthenticate['headers'],
    body: MAuthRequestToAuthenticate['body'],
    authenticator: EventAuthenticator = fromEnvironment,
  ) {
    this.#request = { method, url, headers, body };
    this.#authenticator = authenticator;
  }

  /**
   * Whether the request is authentic. It is verified once; asking again gives the same answer.
   *
   * @throws MAuthConfigurationError when options, variables or private key cannot be used
   */
  isAuthentic(): Promise<LambdaVerdict> {
    this.#verdict ??= this.#verify();
    return this.#verdict;
  }

  /** UUID of the app that signed, in lower case; undefined until `isAuthentic()` has said that it did. */
  getAppUuid(): string | undefined {
    return this.#appUuid;
  }

  async #verify(): Promise<LambdaVerdict> {
    const result: MAuthResult = await this.#authenticator.authenticateRequest(this.#request);
    if (!result.authentic) return verdictOf(await this.#authenticator.answer(result));
    this.#appUuid = result.appUuid;
    return { authentic: true, status: 200, message: '' };
  }
}

function verdictOf({ status, body }: Answer): LambdaVerdict {
  const { title, errors } = body as { title?: string; errors?: { mauth: readonly string[] } };
  const message = title ?? errors?.mauth[0] ?? '';
  return { authentic: false, status: status as LambdaVerdict['status'], message };
}
