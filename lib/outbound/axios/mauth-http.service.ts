import { type HttpModuleOptions, type HttpService } from '@nestjs/axios';
import { type FactoryProvider, Inject, Injectable, type OnModuleInit, Optional } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { MAuthConfigurationError } from '../../config/errors.js';
import { type AxiosInstance } from './axios-types.js';
import {
  type MAuthResponseAuthenticationOptions,
  type ResponseAuthenticator,
} from './response-authentication.js';
import { signAxios } from './sign-axios.js';
import { type MAuthSigningOptions } from '../signing-options.js';
import { ownProperties } from '../../protocol/own-properties.js';
import { MAuthSigner } from '../../signing/mauth-signer.js';

/** `http` of the module's options: what axios takes as defaults, which requests are signed, and whose responses count. */
export type MAuthHttpOptions = HttpModuleOptions & MAuthSigningOptions & MAuthResponseAuthenticationOptions;

/** In the place of `HttpService` until that has been loaded. */
class HttpServiceToCome {
  constructor() {
    throw new MAuthConfigurationError(
      'MAuthHttpService is made by MAuthModule: inject it. To sign with an axios instance of your own, call ' +
        'signAxios(axios, signer).',
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
 * logged: they show no signature. See `signAxios`.
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
  signAxios(axios, signer, {
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

const reasons = new WeakMap<object, MAuthConfigurationError>();

/**
 * Stands in for MAuthHttpService where `@nestjs/axios` cannot be loaded: each use of it throws the reason.
 * It is for applications that send nothing; others are stopped by `AbsentHttpServiceCheck`.
 */
export function absentHttpService(reason: MAuthConfigurationError): MAuthHttpService {
  const absent = new Proxy(Object.create(MAuthHttpService.prototype) as MAuthHttpService, {
    get(target, name): unknown {
      // Nest looks at every provider for these, and `await` for `then`.
      const isForNest = typeof name === 'symbol' || name === 'then' || /^(on|before)[A-Z]/.test(name);
      if (isForNest || name in Object.prototype) return Reflect.get(target, name);
      throw reason;
    },
  });
  reasons.set(absent, reason);
  return absent;
}

/** Stops the start where something injects a MAuthHttpService that could not be made. */
@Injectable()
export class AbsentHttpServiceCheck implements OnModuleInit {
  constructor(
    // Of another copy of Nest it is unknown; then that is what the start is stopped for.
    @Optional() @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(MAuthHttpService) private readonly http: MAuthHttpService,
  ) {}

  /** @throws MAuthConfigurationError that names who injects it, and says what to install */
  onModuleInit(): void {
    const reason = reasons.get(this.http);
    const user = reason && this.#user();
    if (!user) return;
    throw new MAuthConfigurationError(`${user} injects MAuthHttpService. ${reason.message}`, {
      cause: reason.cause,
    });
  }

  #user(): string | undefined {
    for (const { providers, controllers, injectables } of this.modules.values()) {
      for (const wrapper of [...providers.values(), ...controllers.values(), ...injectables.values()]) {
        const properties = wrapper.getPropertiesMetadata() ?? [];
        const injected = [
          ...(wrapper.getCtorMetadata() ?? []),
          ...properties.map((property) => property.wrapper),
        ];
        const isUser = wrapper.metatype !== AbsentHttpServiceCheck;
        if (isUser && injected.some((dependency) => dependency?.token === MAuthHttpService)) {
          return String(wrapper.name);
        }
      }
    }
    return undefined;
  }
}

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

/** What is used of `@nestjs/axios` at run time. */
export interface NestAxios {
  readonly HttpService: typeof HttpService;
}

/**
 * Loads `@nestjs/axios`. Only those who send need it, so it is loaded late: an application that sends nothing, and a
 * test that imports a decorator, do without it.
 *
 * @throws MAuthConfigurationError that says what to install
 */
export async function loadNestAxios(): Promise<NestAxios> {
  try {
    return await import('@nestjs/axios');
  } catch (cause) {
    throw new MAuthConfigurationError(`MAuthHttpService needs ${remedyFor(cause as Error)}`, { cause });
  }
}

function remedyFor(error: Error & { code?: unknown }): string {
  if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') {
    return 'the packages @nestjs/axios and axios: npm install @nestjs/axios axios (with Nest 11: @nestjs/axios@4).';
  }
  const [reason] = `${error.name}: ${error.message}`.split('\n');
  return (
    `@nestjs/axios, which cannot be loaded here (${reason}). Its versions from 12 on are ES modules, which Jest in ` +
    'CommonJS mode cannot load: with Nest 11 install @nestjs/axios@4; with Nest 12 let Jest transform @nestjs/*.'
  );
}
