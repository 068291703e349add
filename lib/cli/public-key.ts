import { type KeyObject } from 'node:crypto';
import { readPublicKey, UnusableKeyError } from '../protocol/rsa-keys.js';
import { readConfiguration, type CommonFlags } from './configuration.js';
import { CommandFailure, EXIT, wrongConfiguration, wrongUsage } from './exit-codes.js';
import { readInput } from './outgoing-request.js';
import { signerFor } from './signer.js';

export interface PublicKeyFlags extends CommonFlags {
  readonly publicKey?: string;
  readonly service?: boolean;
}

/**
 * The public key of an app: of a file, or as the MAuth service has it; undefined where the service would have to be
 * asked, and there is no app to ask about.
 *
 * @throws CommandFailure 2 unless one of the two is chosen, 3 where the key cannot be used, 7 where the service does
 * not know the app, 8 where it cannot be asked
 */
export async function publicKeyOf(
  appUuid: string | undefined,
  flags: PublicKeyFlags,
): Promise<KeyObject | undefined> {
  if ((flags.publicKey === undefined) === !flags.service) {
    throw wrongUsage(
      'Where is the public key? Set --public-key FILE, or --service to ask the MAuth service.',
    );
  }
  if (flags.publicKey === undefined) return appUuid === undefined ? undefined : fromService(appUuid, flags);
  const pem = (await readInput(flags.publicKey, '--public-key')).toString();
  try {
    return readPublicKey(pem);
  } catch (error) {
    if (!(error instanceof UnusableKeyError)) throw error;
    throw wrongConfiguration(`${flags.publicKey} cannot be used. ${error.message}`);
  }
}

async function fromService(appUuid: string, flags: CommonFlags): Promise<KeyObject> {
  const configuration = await readConfiguration(flags, ['appUuid', 'privateKey', 'mauthUrl']);
  const { SecurityTokenClient } = await import('../service/security-token-client.js');
  const { resolveSettings } = await import('../config/settings.js');
  const client = new SecurityTokenClient(resolveSettings(configuration), signerFor(configuration));
  try {
    const found = await client.fetch(appUuid.toLowerCase());
    if (found) return found.key;
  } catch (error) {
    const { message } = error as Error;
    throw new CommandFailure(EXIT.undecided, `${message} "mauth doctor" says more.`, { cause: error });
  } finally {
    client.close();
  }
  throw new CommandFailure(EXIT.inauthentic, `The MAuth service does not know the app ${appUuid}.`);
}
