import './nest/packages.js';
export * from './core.js';
export { type MAuthAppNotAllowed, type MAuthInboundFailure } from './http/refusals.js';
export { type MAuthBodyFailure, type MAuthBodyFailureCode } from './http/refusals.js';
export { type RequiresMAuthOptions } from './nest/access-policy.js';
export {
  AppUuid,
  MAuthCaller,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  SignResponse,
  type MAuthCallerOptions,
} from './nest/decorators.js';
export {
  MAuthForbiddenException,
  MAuthUnauthorizedException,
  MAuthUnavailableException,
  MAuthUnsupportedContextException,
  type MAuthGraphqlExtensions,
} from './nest/mauth.exceptions.js';
export { MAuthGuard } from './nest/mauth.guard.js';
export { MAuthMiddleware } from './nest/mauth.middleware.js';
export { MAuthKeyCache, type MAuthKeyCacheStats } from './keys/mauth-key-cache.js';
export { MAuthModule } from './nest/mauth.module.js';
export {
  type MAuthFactoryOptions,
  type MAuthModuleAsyncOptions,
  type MAuthModuleExtras,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
  type MAuthProtection,
} from './nest/module-options.js';
export { MAuthAxiosInterceptor, signAxios, type MAuthAttachOptions } from './outbound/axios/sign-axios.js';
export { MAuthHttpService, type MAuthHttpOptions } from './outbound/axios/mauth-http.service.js';
export { type MAuthAxiosInstance, type MAuthRequestConfig } from './outbound/axios/axios-types.js';
export { type MAuthRequestOptions } from './outbound/axios/axios-types.js';
export { type MAuthResponseAuthenticationOptions } from './outbound/axios/response-authentication.js';
