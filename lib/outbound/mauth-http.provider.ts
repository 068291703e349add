import { HttpModule, HttpService } from '@nestjs/axios';
import { type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { createMAuthHttpService, MAuthHttpService, type MAuthHttpOptions } from './mauth-http.service.js';

/** Token of `http` of the module's options; undefined where the application does not set it. */
export const MAUTH_HTTP_OPTIONS = Symbol.for('nestjs-mauth:http-options');

/**
 * Imports that `mauthHttpProvider` needs. Without `register`, HttpModule hands out the global axios, and signing
 * would spread over the whole application.
 */
export function mauthHttpImports(): DynamicModule[] {
  return [HttpModule.register({})];
}

/** Provides MAuthHttpService; needs MAuthSigner, MAuthAuthenticator and MAUTH_HTTP_OPTIONS beside it, and `mauthHttpImports()`. */
export const mauthHttpProvider: FactoryProvider<MAuthHttpService> = {
  provide: MAuthHttpService,
  inject: [HttpService, MAuthSigner, MAuthAuthenticator, { token: MAUTH_HTTP_OPTIONS, optional: true }],
  useFactory: (
    http: HttpService,
    signer: MAuthSigner,
    authenticator: MAuthAuthenticator,
    options?: MAuthHttpOptions,
  ) => createMAuthHttpService(http.axiosRef, signer, options, authenticator),
};
