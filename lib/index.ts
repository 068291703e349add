import './nest-packages.js';
export * from './core.js';
export { type AppNotAllowed, type InboundFailure } from './inbound/inbound-failure.js';
export { type BodyFailure, type BodyFailureCode } from './inbound/inbound-outcome.js';
export { type RequiresMAuthOptions } from './inbound/access-marks.js';
export { AppUuid } from './inbound/app-uuid.decorator.js';
export { type CallerParameterOptions } from './inbound/caller-parameter.js';
export { MAuthCaller } from './inbound/mauth-caller.decorator.js';
export {
  MAuthForbiddenException,
  MAuthUnauthorizedException,
  MAuthUnavailableException,
  MAuthUnsupportedContextException,
  type MAuthGraphqlExtensions,
} from './inbound/mauth.exceptions.js';
export { MAuthGuard } from './inbound/mauth.guard.js';
export { MAuthMiddleware } from './inbound/mauth.middleware.js';
export { OptionalMAuth } from './inbound/optional-mauth.decorator.js';
export { Public } from './inbound/public.decorator.js';
export { RequiresMAuth } from './inbound/requires-mauth.decorator.js';
export { SignResponse } from './inbound/sign-response.decorator.js';
export { MAuthKeyCache, type MAuthKeyCacheStats } from './keys/mauth-key-cache.js';
export { MAuthModule } from './mauth.module.js';
export {
  type MAuthFactoryOptions,
  type MAuthModuleAsyncOptions,
  type MAuthModuleExtras,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
  type MAuthProtection,
} from './mauth.module-options.js';
export { MAuthAxiosInterceptor, type MAuthAttachOptions } from './outbound/mauth-axios.interceptor.js';
export { MAuthHttpService, type MAuthHttpOptions } from './outbound/mauth-http.service.js';
export { type AnyAxiosInstance, type MAuthRequestConfig } from './outbound/axios-types.js';
export { type MAuthRequestOptions } from './outbound/mauth-request-options.js';
export { type MAuthResponseAuthenticationOptions } from './outbound/response-authentication.js';
