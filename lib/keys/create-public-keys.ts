import { KeyObject } from 'node:crypto';
import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { checkPublicKey, readPublicKey } from '../protocol/public-key.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { type PublicKeys } from './public-key-source.js';

/** Provisional: the keys room replaces this. */
export function createPublicKeys(settings: MAuthSettings, _signer: MAuthSigner): PublicKeys | undefined {
  const { findPublicKey } = settings;
  if (!findPublicKey) return undefined;
  return {
    async find(appUuid) {
      try {
        const found = await findPublicKey(appUuid);
        if (found === undefined) return undefined;
        return found instanceof KeyObject ? checkPublicKey(found) : readPublicKey(found);
      } catch (cause) {
        throw new MAuthUnableToAuthenticateError('key_lookup_failed', 'findPublicKey failed', { cause });
      }
    },
    findNewer: () => Promise.resolve(undefined),
  };
}
