import { type HttpModuleOptions, type HttpService } from '@nestjs/axios';
import { MAuthConfigurationError } from '../../config/errors.js';
import { ownProperties } from '../../protocol/own-properties.js';
import { type MAuthSigner } from '../../signing/mauth-signer.js';
import { type AxiosInstance } from './axios-types.js';
import { MAuthAxiosInterceptor } from './mauth-axios.interceptor.js';
import { type NestAxios } from './nest-axios.js';
import { type MAuthSigningOptions } from '../signing-options.js';
import {
  type MAuthResponseAuthenticationOptions,
  type ResponseAuthenticator,
} from './response-authentication.js';

/** `http` of the module's options: what axios takes as defaults, which requests are signed, and whose responses count. */
export type MAuthHttpOptions = HttpModuleOptions & MAuthSigningOptions & MAuthResponseAuthenticationOptions;

/** In the place of `HttpService` until that has been loaded. */
class HttpServiceToCome {
  constructor() {
    throw new MAuthConfigurationError(
      'MAuthHttpService is made by MAuthModule: inject it. To sign with an axios instance of your own, call ' +
        'MAuthAxiosInterceptor.attach(axios, signer).',
    );
  }
}

/**
 * Nest's `HttpService`, signing what it sends. It has an axios instance of its own: the application's `HttpModule`
 * is not affected, nor does it affect this one. It needs the packages `@nestjs/axios` and `axios`.
 *
 * With `http.authenticateResponses`, or `mauth: { authenticateResponse: true }` in the config of a request, only
 * authentic responses arrive; `getMAuthIdentity(response)` tells whose they are.
 *
 * Requests that cannot be signed fail with `MAuthUnableToSignError`; nothing is sent. Errors and responses may be
 * logged: they show no signature. See `MAuthAxiosInterceptor`.
 *
 * @example
 * constructor(private readonly http: MAuthHttpService) {}
 *
 * studies() {
 *   return firstValueFrom(this.http.get<Study[]>('https://studies.example.com/studies?page=1'));
 * }
 */
export class MAuthHttpService extends (HttpServiceToCome as unknown as typeof HttpService) {}

/** Makes a MAuthHttpService, with an axios instance that nothing else configures. */
export function createMAuthHttpService(
  { HttpService }: NestAxios,
  signer: Pick<MAuthSigner, 'signRequest'>,
  options: MAuthHttpOptions = {},
  authenticator?: ResponseAuthenticator,
): MAuthHttpService {
  const {
    signedOrigins,
    maxStreamBytes,
    authenticateResponses,
    expectAppUuid,
    global: _global,
    ...config
  } = ownProperties(options);
  // Without `create` it is the global axios, and signing would spread over the whole application.
  const base = new HttpService().axiosRef;
  const axios = base.create(config as Parameters<AxiosInstance['create']>[0]);
  MAuthAxiosInterceptor.attach(axios, signer, {
    signedOrigins,
    maxStreamBytes,
    authenticateResponses,
    expectAppUuid,
    authenticator,
  });
  Object.setPrototypeOf(MAuthHttpService, HttpService);
  Object.setPrototypeOf(MAuthHttpService.prototype, HttpService.prototype);
  return new MAuthHttpService(axios);
}
