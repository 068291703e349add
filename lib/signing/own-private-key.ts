import { KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { ENVIRONMENT } from '../config/environment-names.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthOptions } from '../config/options.js';
import { checkPrivateKey, readPrivateKey } from '../protocol/private-key.js';
import { UnusableKeyError } from '../protocol/rsa-key.js';
import { ownProperties } from '../protocol/own-properties.js';

type PrivateKeyOptions = Pick<MAuthOptions, 'privateKey' | 'privateKeyFile' | 'decryptPrivateKey'>;
type KeyOption = 'privateKey' | 'privateKeyFile';

const named = (option: KeyOption) => `\`${option}\` (environment: ${ENVIRONMENT[option].join(', ')})`;
const USE_FILE = `set ${named('privateKeyFile')} instead`;

/**
 * Loads this app's private key in whatever form it was given. Only ciphertext takes a promise.
 *
 * @returns undefined when no key was given
 * @throws MAuthConfigurationError (or rejects with it) that names the option; it never quotes the key
 */
export function loadPrivateKey(options: PrivateKeyOptions): KeyObject | Promise<KeyObject> | undefined {
  const { privateKey, privateKeyFile, decryptPrivateKey } = ownProperties(options);
  if (privateKey instanceof KeyObject) return explained('privateKey', () => checkPrivateKey(privateKey));
  const option = privateKey ? 'privateKey' : 'privateKeyFile';
  const text = privateKey ?? (privateKeyFile && readKeyFile(privateKeyFile));
  if (text === undefined) return undefined;
  const key = explained(option, () => readPrivateKey(text));
  if (key) return key;
  if (decryptPrivateKey) return decrypt(option, text, decryptPrivateKey);
  if (option === 'privateKey' && isPathLike(text)) throw unusable(option, `looks like a path; ${USE_FILE}.`);
  throw unusable(
    option,
    'is not a private key in any accepted form; give a PEM, or set `decryptPrivateKey` for ciphertext.',
  );
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (!isShownSafely(path)) {
      throw unusable(
        'privateKeyFile',
        `cannot be read, and may hold the key itself instead of its path; then set ${named('privateKey')}.`,
      );
    }
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw unusable(
      'privateKeyFile',
      `names a file that cannot be read (${code}): ${JSON.stringify(path)}, from the working directory ` +
        `${JSON.stringify(process.cwd())}; check the path and its permissions.`,
    );
  }
}

/** Keys of an accepted size are longer than that, in every form. */
const LONGEST_PATH = 255;
/** What a PEM, or a line of one, is made of. */
const KEY_PART = /-----|[\r\n]|^[A-Za-z0-9+][A-Za-z0-9+/]{40,}={0,2}$/;
const PATH = /^(?:\/|~|\.{1,2}[\\/]|[A-Za-z]:[\\/]|file:)|\.(?:pem|key|der|p8|pk8|txt)$/i;

/** Whether the text can be a path and no part of a key, so that an error may show it. */
function isShownSafely(path: string): boolean {
  return path.length <= LONGEST_PATH && !KEY_PART.test(path);
}

/** Whether the text, which is no key, may be the path of one. */
function isPathLike(text: string): boolean {
  const path = text.trim().replace(/^(["'])(.*)\1$/, '$2');
  return isShownSafely(path) && (PATH.test(path) || existsSync(path));
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
    const hint =
      option === 'privateKey' && isPathLike(ciphertext)
        ? ` It looks like a path; if it is one, ${USE_FILE}.`
        : '';
    throw unusable(option, `could not be decrypted: \`decryptPrivateKey\` failed; see the cause.${hint}`, {
      cause,
    });
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
  return new MAuthConfigurationError(`MAuth option ${named(option)} ${remedy}`, options);
}
