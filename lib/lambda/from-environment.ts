import { type MAuthResult } from '../authentication/result.js';
import { type MAuthOptions } from '../config/options.js';
import {
  FunctionAuthenticator,
  type AuthenticatedHandler,
  type ProtectedHandler,
} from './event-authenticator.js';

/** One for the whole process, since environment and instance live equally long. It reads nothing until it is used. */
export const fromEnvironment = new FunctionAuthenticator();

/**
 * An authenticator with options of your own. Made once, outside the handler, it keeps public keys between the
 * invocations of a warm instance.
 *
 * @param options default: from the environment (APP_UUID, PRIVATE_KEY, MAUTH_URL …). A private key that is ciphertext
 * is decrypted with `kmsDecryptor()`, unless `decryptPrivateKey` says otherwise; `requestTarget` gets the event.
 *
 * @example
 * const mauth = createLambdaAuthenticator({ ...mauthOptionsFromEnv(), v2OnlyAuthenticate: true });
 * export const handler = mauth.withMAuth(async (event, context, { appUuid }) => ({ statusCode: 200, body: appUuid }));
 */
export function createLambdaAuthenticator(options?: MAuthOptions): FunctionAuthenticator {
  return new FunctionAuthenticator(options);
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
