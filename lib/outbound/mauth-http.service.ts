import { HttpService, type HttpModuleOptions } from '@nestjs/axios';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { type AxiosInstance } from './axios-types.js';
import { MAuthAxiosInterceptor } from './mauth-axios.interceptor.js';
import { type MAuthSigningOptions } from './signing-options.js';
import {
  type MAuthResponseAuthenticationOptions,
  type ResponseAuthenticator,
} from './response-authentication.js';

/** `http` of the module's options: what axios takes as defaults, which requests are signed, and whose responses count. */
export type MAuthHttpOptions = HttpModuleOptions & MAuthSigningOptions & MAuthResponseAuthenticationOptions;

/**
 * Nest's `HttpService`, signing what it sends. It has an axios instance of its own: the application's `HttpModule`
 * is not affected, nor does it affect this one.
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
export class MAuthHttpService extends HttpService {}

/**
 * Makes a MAuthHttpService.
 *
 * @param base an instance of axios that nobody else configures; the service's own is created from it
 */
export function createMAuthHttpService(
  base: AxiosInstance,
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
  } = options;
  const axios = base.create(config as Parameters<AxiosInstance['create']>[0]);
  MAuthAxiosInterceptor.attach(axios, signer, {
    signedOrigins,
    maxStreamBytes,
    authenticateResponses,
    expectAppUuid,
    authenticator,
  });
  return new MAuthHttpService(axios);
}
