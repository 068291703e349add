import { createHash, KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ENVIRONMENT } from '../config/environment-names.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthLogger, type MAuthOptions } from '../config/options.js';
import { checkPrivateKey, readPrivateKey, UnusableKeyError } from '../protocol/rsa-keys.js';
import { ownProperties } from '../protocol/own-properties.js';

type PrivateKeyOptions = Pick<MAuthOptions, 'privateKey' | 'privateKeyFile' | 'decryptPrivateKey'>;
type KeyOption = 'privateKey' | 'privateKeyFile';

const named = (option: KeyOption) => `\`${option}\` (environment: ${ENVIRONMENT[option].join(', ')})`;
const USE_FILE = `set ${named('privateKeyFile')} instead`;

/** How often `privateKeyFile` is looked at. */
const LOOK_EVERY_MS = 10_000;

/**
 * The private key of this app: loaded from the options, and replaced when its file holds another one or when the
 * application says so. A file is read again and again instead of watched for events: mounted secrets are changed by
 * swapping links, of which there are none. That keeps no process alive, and ends when the key is garbage.
 */
export class OwnPrivateKey {
  /** A promise while a key is decrypted for the first time; undefined where there is none. */
  current: KeyObject | Promise<KeyObject> | undefined;
  /** The text that was dealt with last, as its digest; or why there was none. */
  #seen = '';
  #isLooking = false;

  /** @throws MAuthConfigurationError that names the option; it never quotes the key */
  constructor(options: PrivateKeyOptions, logger: MAuthLogger) {
    const { privateKey, privateKeyFile } = ownProperties(options);
    if (privateKey !== undefined || privateKeyFile === undefined) {
      this.#load(loadPrivateKey(options));
      return;
    }
    const text = readKeyFile(privateKeyFile);
    this.#seen = digestOf(text);
    this.#load(keyFrom('privateKeyFile', text, options));
    const watched = new WeakRef(this);
    const timer = setInterval(() => {
      const own = watched.deref();
      if (own) void own.#look(privateKeyFile, options, logger);
      else clearInterval(timer);
    }, LOOK_EVERY_MS);
    timer.unref();
  }

  /**
   * @param key PEM, or what `createPrivateKey` of node:crypto returns
   * @throws MAuthConfigurationError where it cannot be used; then the key stays as it was
   */
  use(key: string | KeyObject): void {
    const isGiven = key instanceof KeyObject || (typeof key === 'string' && key !== '');
    const usable = isGiven && loadPrivateKey({ privateKey: key });
    if (!(usable instanceof KeyObject)) throw unusable('privateKey', 'must be a PEM or a KeyObject.');
    this.current = usable;
  }

  #load(key: KeyObject | Promise<KeyObject> | undefined): void {
    this.current = key;
    if (!(key instanceof Promise)) return;
    const settled = (decrypted: KeyObject) => {
      if (this.current === key) this.current = decrypted;
    };
    // Each signature that waits for the key gets the error; until then it must not end the process.
    key.then(settled, () => undefined);
  }

  async #look(path: string, options: PrivateKeyOptions, logger: MAuthLogger): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => error);
      const state = typeof text === 'string' ? digestOf(text) : String(text.code);
      if (state === this.#seen) return;
      this.#seen = state;
      if (typeof text !== 'string')
        throw unusable('privateKeyFile', `cannot be read any more (${text.code}).`);
      this.current = await keyFrom('privateKeyFile', text, options);
      logger.log('MAuth: `privateKeyFile` has changed; its private key is used from now on');
    } catch (error) {
      logger.error(
        `MAuth: \`privateKeyFile\` has changed, and the private key stays as it was. ${(error as Error).message}`,
      );
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Kept instead of the text, which is the key. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Loads this app's private key in any form in which it may be given. Only ciphertext takes a promise.
 *
 * @returns undefined when no key was given
 * @throws MAuthConfigurationError (or rejects with it) that names the option; it never quotes the key
 */
export function loadPrivateKey(options: PrivateKeyOptions): KeyObject | Promise<KeyObject> | undefined {
  const { privateKey, privateKeyFile } = ownProperties(options);
  if (privateKey instanceof KeyObject) return explained('privateKey', () => checkPrivateKey(privateKey));
  if (privateKey) return keyFrom('privateKey', privateKey, options);
  return privateKeyFile ? keyFrom('privateKeyFile', readKeyFile(privateKeyFile), options) : undefined;
}

function keyFrom(
  option: KeyOption,
  text: string,
  options: PrivateKeyOptions,
): KeyObject | Promise<KeyObject> {
  const key = explained(option, () => readPrivateKey(text));
  if (key) return key;
  const { decryptPrivateKey } = ownProperties(options);
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
