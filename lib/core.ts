export {
  MAuthAuthenticator,
  type MAuthRequestToAuthenticate,
  type MAuthResponseToAuthenticate,
} from './authentication/mauth-authenticator.js';
export { redisReplayStore, type MAuthRedisCommand } from './authentication/replay-protection.js';
export { type MAuthIdentity } from './authentication/identity.js';
export {
  type MAuthFailure,
  type MAuthFailureCode,
  type MAuthInauthenticCode,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './authentication/result.js';
export { mauthMiddleware, type MAuthGateMiddleware } from './http/servers/mauth-middleware.js';
export {
  mauthPlugin,
  type MAuthFastifyPlugin,
  type MAuthPluginOptions,
  type MAuthPluggableFastify,
} from './http/servers/mauth-plugin.js';
export { type MAuthGateOptions } from './http/servers/standalone-gate.js';
export { getMAuthIdentity } from './http/identity.js';
export { mauthOptionsFromEnv } from './config/environment.js';
export {
  MAuthConfigurationError,
  MAuthError,
  MAuthInauthenticError,
  MAuthUnableToAuthenticateError,
  MAuthUnableToSignError,
} from './config/errors.js';
export {
  type MAuthAuthenticatedEvent,
  type MAuthKeyFetchedEvent,
  type MAuthObserver,
  type MAuthSignedEvent,
} from './config/observer.js';
export {
  type MAuthBodyOptions,
  type MAuthKeyOptions,
  type MAuthLogger,
  type MAuthOptions,
  type MAuthPublicKey,
  type MAuthReplayOptions,
  type MAuthReplayStore,
  type MAuthResponseOptions,
  type MAuthSecondLevelCache,
  type MAuthServiceOptions,
  type MAuthSignVersions,
} from './config/options.js';
export { signedFetch } from './outbound/fetch/signed-fetch.js';
export { type MAuthSigningOptions } from './outbound/signing-options.js';
export { type MAuthHeaderFields } from './protocol/headers.js';
export {
  MAuthSigner,
  type MAuthSignerOptions,
  type MAuthRequestToSign,
  type MAuthResponseToSign,
  type MAuthSignOverrides,
} from './signing/mauth-signer.js';
