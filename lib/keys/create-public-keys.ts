import { type MAuthSettings } from '../config/options.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { ConfiguredKeySource } from './configured-key-source.js';
import { MAuthKeyCache } from './mauth-key-cache.js';
import { SecurityTokenClient } from '../service/security-token-client.js';

/**
 * The cache of public keys that the settings ask for: in front of `findPublicKey` if there is one, else of the MAuth
 * service, else none.
 *
 * @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed
 */
export function createPublicKeys(settings: MAuthSettings, signer: MAuthSigner): MAuthKeyCache | undefined {
  const { findPublicKey, mauthUrl, service } = settings;
  if (findPublicKey)
    return new MAuthKeyCache(settings, new ConfiguredKeySource(findPublicKey, service.deadlineMs));
  return mauthUrl ? new MAuthKeyCache(settings, new SecurityTokenClient(settings, signer)) : undefined;
}
