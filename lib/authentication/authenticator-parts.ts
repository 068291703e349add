import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthOptions, type MAuthSettings } from '../config/options.js';
import { resolveSettings } from '../config/settings.js';
import { ConfiguredKeySource } from '../keys/configured-key-source.js';
import { MAuthKeyCache } from '../keys/mauth-key-cache.js';
import { AuthenticationTicketClient, type AuthenticationTickets } from '../service/authentication-tickets.js';
import { type PublicKeys } from '../service/public-key-source.js';
import { SecurityTokenClient } from '../service/security-token-client.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { OwnPrivateKey } from '../signing/own-private-key.js';

/** The parts of an authenticator, where they have been made already. */
export interface AuthenticatorParts {
  readonly settings: MAuthSettings;
  /** Undefined where nothing can be authenticated: every request is then undecided. */
  readonly keys: PublicKeys | undefined;
  /** Required in remote mode: who decides about requests. */
  readonly tickets?: AuthenticationTickets | undefined;
}

/** Parts that were made for one authenticator: with the signer that asks for keys, and what holds connections. */
export interface OwnParts extends AuthenticatorParts {
  readonly signer: MAuthSigner;
  readonly keys: MAuthKeyCache | undefined;
  readonly tickets: AuthenticationTicketClient | undefined;
}

/** @throws MAuthConfigurationError that names the option and the remedy */
export function assembleParts(options: MAuthOptions): OwnParts {
  const settings = resolveSettings(options);
  return partsFrom(settings, new MAuthSigner(settings, new OwnPrivateKey(options, settings.logger)));
}

/** @throws MAuthConfigurationError where there is no source of keys */
export function partsFrom(settings: MAuthSettings, signer: MAuthSigner): OwnParts {
  const keys = createPublicKeys(settings, signer);
  const tickets = createAuthenticationTickets(settings, signer);
  if (settings.mode === 'remote' ? tickets : keys) return { settings, signer, keys, tickets };
  throw new MAuthConfigurationError(
    settings.mode === 'remote'
      ? 'MAuth option `mauthUrl` (environment: MAUTH_URL) is required in remote mode; set it.'
      : 'MAuth option `mauthUrl` (environment: MAUTH_URL) or `findPublicKey` is required to authenticate; ' +
          'set one of them.',
  );
}

/**
 * The cache of public keys that the settings ask for: in front of `findPublicKey` if there is one, else of the MAuth
 * service, else none.
 *
 * @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed
 */
export function createPublicKeys(settings: MAuthSettings, signer: MAuthSigner): MAuthKeyCache | undefined {
  const { findPublicKey, mauthUrl } = settings;
  if (findPublicKey) return new MAuthKeyCache(settings, new ConfiguredKeySource(findPublicKey, settings));
  return mauthUrl ? new MAuthKeyCache(settings, new SecurityTokenClient(settings, signer)) : undefined;
}

/**
 * What decides about requests in remote mode; undefined in local mode, and where there is no service to ask.
 *
 * @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed
 */
export function createAuthenticationTickets(
  settings: MAuthSettings,
  signer: MAuthSigner,
): AuthenticationTicketClient | undefined {
  const { mode, mauthUrl } = settings;
  return mode === 'remote' && mauthUrl ? new AuthenticationTicketClient(settings, signer) : undefined;
}
