import { KeyObject } from 'node:crypto';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { checkPublicKey, readPublicKey, UnusableKeyError } from '../protocol/rsa-keys.js';
import { MAuthEvents } from '../events/mauth-events.js';
import {
  type FoundPublicKey,
  type KeyFetchReason,
  type PublicKeySource,
} from '../service/public-key-source.js';
import { TimedOutError, within } from '../service/within.js';

type FindPublicKey = NonNullable<MAuthSettings['findPublicKey']>;

/** The application's own `findPublicKey` as a source: same deadline, same checks of keys as for the MAuth service. */
export class ConfiguredKeySource implements PublicKeySource {
  readonly #findPublicKey: FindPublicKey;
  readonly #deadlineMs: number;
  readonly #events: MAuthEvents;

  constructor(findPublicKey: FindPublicKey, settings: MAuthSettings) {
    this.#findPublicKey = findPublicKey;
    this.#deadlineMs = settings.service.deadlineMs;
    this.#events = new MAuthEvents(settings);
  }

  /** @throws MAuthUnableToAuthenticateError `key_lookup_failed`, `unusable_public_key` */
  fetch(
    appUuid: string,
    reason: KeyFetchReason,
    withinMs = this.#deadlineMs,
  ): Promise<FoundPublicKey | undefined> {
    return this.#events.keyFetch({ appUuid, reason, attempt: 1 }, async (fetch) => {
      const found = await this.#found(appUuid, Math.min(withinMs, this.#deadlineMs));
      fetch.found = found !== undefined && found !== null;
      return fetch.found ? { key: usableKey(found) } : undefined;
    });
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
