import { type MAuthSettings } from '../config/options.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { AuthenticationTicketClient } from './authentication-ticket-client.js';

/**
 * Who decides about requests in remote mode; undefined in local mode, and where there is nobody to ask.
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
