export {
  MAuthAuthenticator,
  type RequestHead,
  type RequestToAuthenticate,
  type ResponseToAuthenticate,
} from './authentication/mauth-authenticator.js';
export { redisReplayStore, type RedisCommand } from './authentication/redis-replay-store.js';
export {
  type MAuthFailure,
  type MAuthFailureCode,
  type MAuthIdentity,
  type MAuthInauthenticCode,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './authentication/result.js';
export { mauthMiddleware, type MAuthDoorMiddleware } from './doors/mauth-middleware.js';
export {
  mauthPlugin,
  type MAuthFastifyPlugin,
  type MAuthPluginOptions,
  type PluggableFastify,
} from './doors/mauth-plugin.js';
export { type MAuthDoorOptions } from './doors/standalone-door.js';
export { getMAuthIdentity } from './inbound/identity.js';
export { mauthOptionsFromEnv } from './mauth.env.js';
export {
  MAuthConfigurationError,
  MAuthError,
  MAuthInauthenticError,
  MAuthUnableToAuthenticateError,
  MAuthUnableToSignError,
} from './mauth.errors.js';
export {
  type Awaitable,
  type MAuthBodyOptions,
  type MAuthKeyOptions,
  type MAuthLogger,
  type MAuthOptions,
  type MAuthReplayOptions,
  type MAuthReplayStore,
  type MAuthResponseOptions,
  type MAuthSecondLevelCache,
  type MAuthServiceOptions,
  type MAuthSignVersions,
} from './mauth.options.js';
export { signedFetch } from './outbound/signed-fetch.js';
export { type MAuthSigningOptions } from './outbound/signing-options.js';
export { type HeaderFields } from './protocol/headers.js';
export {
  MAuthSigner,
  type MAuthSignerOptions,
  type RequestToSign,
  type ResponseToSign,
  type SignOverrides,
} from './signing/mauth-signer.js';
