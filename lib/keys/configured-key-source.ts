import { KeyObject } from 'node:crypto';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { checkPublicKey, readPublicKey, UnusableKeyError } from '../protocol/rsa-keys.js';
import { type FoundPublicKey, type PublicKeySource } from '../service/public-key-source.js';
import { TimedOutError, within } from '../service/within.js';

type FindPublicKey = NonNullable<MAuthSettings['findPublicKey']>;

/** The application's own `findPublicKey` as a source: same deadline, same checks of keys as for the MAuth service. */
export class ConfiguredKeySource implements PublicKeySource {
  readonly #findPublicKey: FindPublicKey;
  readonly #deadlineMs: number;

  constructor(findPublicKey: FindPublicKey, deadlineMs: number) {
    this.#findPublicKey = findPublicKey;
    this.#deadlineMs = deadlineMs;
  }

  /** @throws MAuthUnableToAuthenticateError `key_lookup_failed`, `unusable_public_key` */
  async fetch(appUuid: string, withinMs = this.#deadlineMs): Promise<FoundPublicKey | undefined> {
    const found = await this.#found(appUuid, Math.min(withinMs, this.#deadlineMs));
    return found === undefined || found === null ? undefined : { key: usableKey(found) };
  }

  async #found(appUuid: string, withinMs: number): Promise<unknown> {
    try {
      return await within(withinMs, () => this.#findPublicKey(appUuid));
    } catch (cause) {
      const why =
        cause instanceof TimedOutError ? `did not answer within ${Math.ceil(withinMs)} ms` : 'failed';
      throw new MAuthUnableToAuthenticateError('key_lookup_failed', `\`findPublicKey\` ${why}.`, { cause });
    }
  }
}

function usableKey(found: unknown): KeyObject {
  try {
    return found instanceof KeyObject ? checkPublicKey(found) : readPublicKey(found as string);
  } catch (cause) {
    if (!(cause instanceof UnusableKeyError)) throw cause;
    throw new MAuthUnableToAuthenticateError(
      'unusable_public_key',
      `What \`findPublicKey\` answered cannot be used. ${cause.message}`,
      { cause },
    );
  }
}
