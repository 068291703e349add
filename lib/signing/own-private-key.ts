import { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ENVIRONMENT } from '../mauth.env-names.js';
import { MAuthConfigurationError } from '../mauth.errors.js';
import { type MAuthOptions } from '../mauth.options.js';
import { checkPrivateKey, readPrivateKey } from '../protocol/private-key.js';
import { UnusableKeyError } from '../protocol/rsa-key.js';

type PrivateKeyOptions = Pick<MAuthOptions, 'privateKey' | 'privateKeyFile' | 'decryptPrivateKey'>;
type KeyOption = 'privateKey' | 'privateKeyFile';

/**
 * Loads this app's private key in whatever form it was given. Only ciphertext takes a promise.
 *
 * @returns undefined when no key was given
 * @throws MAuthConfigurationError (or rejects with it) that names the option; it never quotes the key
 */
export function loadPrivateKey(options: PrivateKeyOptions): KeyObject | Promise<KeyObject> | undefined {
  const { privateKey, privateKeyFile, decryptPrivateKey } = options;
  if (privateKey instanceof KeyObject) return explained('privateKey', () => checkPrivateKey(privateKey));
  const option = privateKey ? 'privateKey' : 'privateKeyFile';
  const text = privateKey ?? (privateKeyFile && readKeyFile(privateKeyFile));
  if (text === undefined) return undefined;
  const key = explained(option, () => readPrivateKey(text));
  if (key) return key;
  if (decryptPrivateKey) return decrypt(option, text, decryptPrivateKey);
  throw unusable(
    option,
    'is not a private key in any accepted form; give a PEM, or set `decryptPrivateKey` for ciphertext.',
  );
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw unusable(
      'privateKeyFile',
      `names a file that cannot be read (${code}); check the path and its permissions.`,
    );
  }
}

async function decrypt(
  option: KeyOption,
  ciphertext: string,
  decryptPrivateKey: NonNullable<PrivateKeyOptions['decryptPrivateKey']>,
): Promise<KeyObject> {
  let plain: string | Buffer;
  try {
    plain = await decryptPrivateKey(Buffer.from(ciphertext, 'base64'));
  } catch (cause) {
    throw unusable(option, 'could not be decrypted: `decryptPrivateKey` failed; see the cause.', { cause });
  }
  const key = explained(option, () => readPrivateKey(String(plain)));
  if (key) return key;
  throw unusable(option, 'was decrypted by `decryptPrivateKey` to something that is not a private key.');
}

function explained<T>(option: KeyOption, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnusableKeyError) throw unusable(option, `cannot be used. ${error.message}`);
    throw error;
  }
}

function unusable(option: KeyOption, remedy: string, options?: ErrorOptions): MAuthConfigurationError {
  const variables = ENVIRONMENT[option].join(', ');
  return new MAuthConfigurationError(
    `MAuth option \`${option}\` (environment: ${variables}) ${remedy}`,
    options,
  );
}
