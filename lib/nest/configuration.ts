import { isMAuthGuard } from './application-guard.js';
import { ExemptPaths } from '../http/gate.js';
import { MAuthGuard } from './mauth.guard.js';
import { MAuthConfigurationError } from '../config/errors.js';
import {
  type MAuthFactoryOptions,
  type MAuthModuleAsyncOptions,
  type MAuthModuleExtras,
} from './module-options.js';
import { type MAuthSettings } from '../config/options.js';
import { NestLogger } from './nest-logger.js';
import { resolveSettings } from '../config/settings.js';
import { type MAuthHttpOptions } from '../outbound/axios/mauth-http.service.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { OwnPrivateKey } from '../signing/own-private-key.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

/** The resolved options of the module. The private key is in the signer, and nowhere else. */
export interface MAuthConfiguration {
  readonly settings: MAuthSettings;
  readonly signer: MAuthSigner;
  readonly http: MAuthHttpOptions | undefined;
}

const EXTRAS: Readonly<Record<keyof MAuthModuleExtras, true>> = {
  isGlobal: true,
  protect: true,
  exempt: true,
  guard: true,
  imports: true,
};
const PROTECTIONS: readonly unknown[] = ['decorated', 'routes', 'everything'];
const SOURCES = ['useFactory', 'useClass', 'useExisting'] as const;

/**
 * Checks the options and loads the private key, decrypting it if need be. The options themselves are not kept: what a
 * provider holds can be seen in dumps of the container.
 *
 * @throws MAuthConfigurationError that names the option and the remedy
 */
export async function configure(options: MAuthFactoryOptions): Promise<MAuthConfiguration> {
  const misplaced = Object.keys(EXTRAS).find((name) => options && Object.hasOwn(options, name));
  if (misplaced) {
    throw new MAuthConfigurationError(
      `MAuth option \`${misplaced}\` shapes the module, so it stands beside \`useFactory\`, \`useClass\` or ` +
        '`useExisting`, not in what they return; move it there.',
    );
  }
  const { http, ...core } = ownProperties(options);
  const settings = resolveSettings({
    ...core,
    logger: ownProperty(core, 'logger') ?? new NestLogger('MAuth'),
  });
  checkHttp(http, settings);
  const signer = new MAuthSigner(settings, new OwnPrivateKey(core, settings.logger));
  await signer.ready();
  return Object.freeze({ settings, signer, http });
}

/** Options of axios are left to axios; the others are read where they are used. */
function checkHttp(http: unknown, settings: MAuthSettings): void {
  if (http === undefined) return;
  if (typeof http !== 'object' || http === null) throw wrong('http', 'must be an object.');
  const authenticateResponses = ownProperty(http, 'authenticateResponses');
  if (authenticateResponses !== undefined && typeof authenticateResponses !== 'boolean') {
    throw wrong('http.authenticateResponses', 'must be true or false.');
  }
  if (!authenticateResponses && ownProperty(http, 'expectAppUuid') === undefined) return;
  if (settings.mauthUrl || settings.findPublicKey) return;
  throw new MAuthConfigurationError(
    'Responses are to be authenticated (`http.authenticateResponses`), but there is no source of public keys: ' +
      'set the MAuth option `mauthUrl` (environment: MAUTH_URL) or `findPublicKey`.',
  );
}

/** Extras with their defaults. */
type Extras = Required<Omit<MAuthModuleExtras, 'exempt'>> & { readonly exempt: ExemptPaths };

/** @throws MAuthConfigurationError that names the option and the remedy */
export function resolveExtras(extras: MAuthModuleExtras): Extras {
  const {
    isGlobal = true,
    protect = 'decorated',
    exempt,
    guard = MAuthGuard,
    imports = [],
  } = ownProperties(extras);
  if (typeof isGlobal !== 'boolean') throw wrong('isGlobal', 'must be true or false.');
  if (!PROTECTIONS.includes(protect)) throw wrong('protect', 'must be decorated, routes or everything.');
  if (!isMAuthGuard(guard)) throw wrong('guard', 'must be a class that extends MAuthGuard.');
  return { isGlobal, protect, exempt: new ExemptPaths(exempt), guard, imports };
}

/** @throws MAuthConfigurationError unless there is exactly one source of options, or when they replace the guard */
export function checkSources(options: MAuthModuleAsyncOptions): void {
  if (!options || SOURCES.filter((source) => ownProperty(options, source)).length !== 1) {
    throw new MAuthConfigurationError(
      'MAuthModule.forRootAsync() needs exactly one of `useFactory`, `useClass` and `useExisting`.',
    );
  }
  const { extraProviders = [] } = ownProperties(options);
  if (extraProviders.some((provider) => 'provide' in provider && provider.provide === MAuthGuard)) {
    throw wrong(
      'extraProviders',
      'cannot replace MAuthGuard; name the subclass in `guard`, beside `protect`.',
    );
  }
}

function wrong(option: string, remedy: string): MAuthConfigurationError {
  return new MAuthConfigurationError(`MAuth option \`${option}\` ${remedy}`);
}
