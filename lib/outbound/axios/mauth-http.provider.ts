import { type FactoryProvider } from '@nestjs/common';
import { MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { MAuthConfigurationError } from '../../config/errors.js';
import { MAuthSigner } from '../../signing/mauth-signer.js';
import { absentHttpService } from './absent-http.service.js';
import { createMAuthHttpService, MAuthHttpService, type MAuthHttpOptions } from './mauth-http.service.js';
import { loadNestAxios } from './nest-axios.js';

/** Token of `http` of the module's options; undefined where the application does not set it. */
export const MAUTH_HTTP_OPTIONS = Symbol.for('nestjs-mauth:http-options');

/** Provides MAuthHttpService; needs MAuthSigner, MAuthAuthenticator and MAUTH_HTTP_OPTIONS beside it. */
export const mauthHttpProvider: FactoryProvider<MAuthHttpService> = {
  provide: MAuthHttpService,
  inject: [MAuthSigner, MAuthAuthenticator, { token: MAUTH_HTTP_OPTIONS, optional: true }],
  useFactory: async (signer: MAuthSigner, authenticator: MAuthAuthenticator, options?: MAuthHttpOptions) => {
    const nestAxios = await loadNestAxios().catch((reason: MAuthConfigurationError) => reason);
    if (!(nestAxios instanceof MAuthConfigurationError)) {
      return createMAuthHttpService(nestAxios, signer, options, authenticator);
    }
    // Who says how to send means to send.
    if (options) throw nestAxios;
    return absentHttpService(nestAxios);
  },
};
