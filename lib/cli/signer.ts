import { MAuthSigner } from '../signing/mauth-signer.js';
import { type Configuration } from './configuration.js';

/** A signer for the configured app. */
export function signerFor({
  appUuid,
  privateKey,
  privateKeyFile,
  signVersions,
  logger,
}: Configuration): MAuthSigner {
  return new MAuthSigner({ appUuid, privateKey, privateKeyFile, signVersions, logger });
}
