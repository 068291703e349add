import { partsFrom } from '../authentication/authenticator-parts.js';
import {
  MAuthAuthenticator,
  type MAuthRequestToAuthenticate,
} from '../authentication/mauth-authenticator.js';
import { signedTarget } from '../authentication/path-policy.js';
import { type MAuthIdentity } from '../authentication/identity.js';
import { inauthentic, type MAuthFailure, type MAuthResult } from '../authentication/result.js';
import { answerFor, type Answer } from '../http/refusals.js';
import { kmsDecryptor } from '../kms/kms-decryptor.js';
import { mauthOptionsFromEnv } from '../config/environment.js';
import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { type MAuthOptions, type MAuthSettings } from '../config/options.js';
import { resolveSettings } from '../config/settings.js';
import { bytesOfText } from '../protocol/byte-string.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { originForm } from '../protocol/string-to-sign.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { OwnPrivateKey } from '../signing/own-private-key.js';
import { eventRequest, routedPath, answerEvent, readHttpEvent, type LambdaAnswer } from './http-event.js';
/** A handler that only gets authentic requests. */
export type AuthenticatedHandler<Event, Context, Result> = (
  event: Event,
  context: Context,
  /** Which app signed the request; frozen. */
  identity: MAuthIdentity,
) => Result | PromiseLike<Result>;

/** A handler as Lambda calls it. */
export type ProtectedHandler<Event, Context, Result> = (
  event: Event,
  context: Context,
) => Promise<Result | LambdaAnswer>;

/** The parts that are made once, and kept while the instance is warm. */
interface Parts {
  readonly settings: MAuthSettings;
  readonly authenticator: MAuthAuthenticator;
}

/**
 * Authenticates the requests of one Lambda function. It is made once, outside the handler, so that public keys stay
 * cached while the instance is warm. The options are checked, and an encrypted private key is decrypted, when the first
 * request comes. When that fails, the next request tries again.
 *
 * @see createLambdaAuthenticator
 */
export class EventAuthenticator {
  readonly #options: () => MAuthOptions;
  #parts: Promise<Parts> | undefined;

  /** @param options default: from the environment */
  constructor(options?: MAuthOptions) {
    this.#options = options ? () => options : () => mauthOptionsFromEnv();
  }

  /**
   * Resolves when the options are checked and the private key is there. Call it while the instance starts, if a
   * function shall rather not start than fail its first request.
   *
   * @throws MAuthConfigurationError that names option or variable and the remedy
   */
  async ready(): Promise<void> {
    await this.#start();
  }

  /**
   * Authenticates the request behind an event. Its body is taken from the event, its path and query are those that
   * the caller sent, the stage included (or what the option `requestTarget` makes of the event).
   *
   * @param event of API Gateway (REST or HTTP API), a Function URL or an Application Load Balancer; any other event
   * is inauthentic, and what cannot be read with certainty is refused
   * @throws MAuthConfigurationError when options or private key cannot be used; nothing in an event makes it throw
   *
   * @example
   * const result = await createLambdaAuthenticator().authenticateEvent(event);
   * if (!result.authentic) return { statusCode: result.status };
   * console.log(`called by ${result.appUuid}`);
   */
  async authenticateEvent(event: unknown): Promise<MAuthResult> {
    const { settings, authenticator } = await this.#start();
    const read = readHttpEvent(event);
    if (!read) {
      authenticator.events.authenticated(UNREADABLE);
      settings.logger.error(
        'MAuth: the event is not of API Gateway, a Function URL or a load balancer (malformed_request)',
      );
      return inauthentic('malformed_request');
    }
    const request = eventRequest(read);
    const url = settings.requestTarget ? bytesOfText(signedTarget(settings, event)) : request.url;
    // The strict path policy, as at the gates: for what was signed, and for what a handler reads.
    return authenticator.authenticateRouted({ ...request, url } as MAuthRequestToAuthenticate, [
      routedPath(read),
    ]);
  }

  /**
   * Authenticates a request that was taken apart already.
   *
   * @param request `url` is path and query, or an absolute URL whose scheme and host are cut off as text
   * @throws MAuthConfigurationError when options or private key cannot be used
   */
  async authenticateRequest(request: MAuthRequestToAuthenticate): Promise<MAuthResult> {
    const { authenticator } = await this.#start();
    const url: unknown = ownProperty(request, 'url');
    const isReadable = typeof url === 'string' || url instanceof Uint8Array;
    return authenticator.authenticateRequest({
      ...request,
      url: isReadable ? originForm(bytesOfText(url)) : '',
    });
  }

  /**
   * Lets only authentic requests through to a handler; all others are answered with 401, or 503 when it could not be
   * decided. Handlers that stream their response or call back are not supported.
   *
   * @example
   * export const handler = createLambdaAuthenticator().withMAuth(async (event, context, { appUuid }) => {
   *   return { statusCode: 200, body: `Hello, ${appUuid}` };
   * });
   */
  withMAuth<Event, Context, Result>(
    handler: AuthenticatedHandler<Event, Context, Result>,
  ): ProtectedHandler<Event, Context, Result> {
    return async (event, context) => {
      const result = await this.authenticateEvent(event);
      if (!result.authentic) return answerEvent(event, await this.answer(result));
      const { appUuid, protocolVersion } = result;
      return handler(event, context, Object.freeze({ appUuid, protocolVersion }));
    };
  }

  /** The answer for a refused caller. */
  async answer(failure: MAuthFailure): Promise<Answer> {
    const { settings } = await this.#start();
    return answerFor(failure, settings);
  }

  /** A start that failed is not kept: KMS may be back when the next request comes. */
  #start(): Promise<Parts> {
    this.#parts ??= start(this.#options).catch((error: unknown) => {
      this.#parts = undefined;
      throw error;
    });
    return this.#parts;
  }
}

const UNREADABLE: MAuthAuthenticatedEvent = Object.freeze({
  outcome: 'inauthentic',
  code: 'malformed_request',
  usedFallback: false,
  source: 'request',
  durationMs: 0,
});

/** One for the whole process, for environment and instance live equally long. It reads nothing before its first use. */
export const fromEnvironment = new EventAuthenticator();

/**
 * Makes an authenticator with options of your own. Make it once, outside the handler: then it keeps public keys between
 * the invocations of a warm instance.
 *
 * @param options default: from the environment (APP_UUID, PRIVATE_KEY, MAUTH_URL …). A private key that is ciphertext
 * is decrypted with `kmsDecryptor()`, unless `decryptPrivateKey` says otherwise; `requestTarget` gets the event.
 *
 * @example
 * const mauth = createLambdaAuthenticator({ ...mauthOptionsFromEnv(), v2OnlyAuthenticate: true });
 * export const handler = mauth.withMAuth(async (event, context, { appUuid }) => ({ statusCode: 200, body: appUuid }));
 */
export function createLambdaAuthenticator(options?: MAuthOptions): EventAuthenticator {
  return new EventAuthenticator(options);
}

/**
 * Authenticates the request behind an event, configured from the environment.
 *
 * @param event of API Gateway (REST or HTTP API), a Function URL or an Application Load Balancer
 * @throws MAuthConfigurationError when variables or private key cannot be used; nothing in an event makes it throw
 *
 * @example
 * const result = await authenticateEvent(event);
 * if (!result.authentic) return { statusCode: result.status };
 * console.log(`called by ${result.appUuid}`);
 */
export function authenticateEvent(event: unknown): Promise<MAuthResult> {
  return fromEnvironment.authenticateEvent(event);
}

/**
 * Lets only authentic requests through to a handler, configured from the environment. All others are answered with
 * 401, or 503 when it could not be decided.
 *
 * @throws MAuthConfigurationError (the handler, on its first call) when variables or private key cannot be used
 *
 * @example
 * export const handler = withMAuth(async (event: APIGatewayProxyEventV2, context: Context, { appUuid }) => {
 *   return { statusCode: 200, body: `Hello, ${appUuid}` };
 * });
 */
export function withMAuth<Event, Context, Result>(
  handler: AuthenticatedHandler<Event, Context, Result>,
): ProtectedHandler<Event, Context, Result> {
  return fromEnvironment.withMAuth(handler);
}

async function start(read: () => MAuthOptions): Promise<Parts> {
  const options = ownProperties(read());
  const { pathPolicy = 'strict', decryptPrivateKey = kmsDecryptor() } = options; // Strict: there is a handler.
  const settings = resolveSettings({ ...options, pathPolicy });
  const signer = new MAuthSigner(
    settings,
    new OwnPrivateKey({ ...options, decryptPrivateKey }, settings.logger),
  );
  await signer.ready();
  return { settings, authenticator: new MAuthAuthenticator(partsFrom(settings, signer)) };
}
