import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { lifetimeOf } from './key-lifetime.js';
import { LookupSlots, NoSlotError, type LookupKind } from './lookup-slots.js';
import { moment } from './moment.js';
import { type KeyLookupFailureCode, type PublicKeySource } from './public-key-source.js';
import { ServiceHealth } from './service-health.js';
import { type DatedKey } from './shared-key-store.js';

/** The source was not asked: too much is under way, or it is being left alone. Says nothing about the app. */
export class NotAskedError extends MAuthUnableToAuthenticateError {}

/**
 * Of the deadline, what is left for the source itself after waiting for a turn. A look-up that starts with less would
 * fail for our own haste, and make the source look as if it were down.
 */
const SHARE_OF_SERVICE = 0.5;

/** A source of public keys that is never asked too much at once, and hardly at all while it is down. */
export class BoundedKeySource {
  /** How often the source was asked, and how many of these ended without an answer that could be used. */
  readonly counts = { fetches: 0, failures: 0 };
  readonly #settings: MAuthSettings;
  readonly #source: PublicKeySource;
  readonly #slots: LookupSlots;
  readonly #health: ServiceHealth;

  constructor(settings: MAuthSettings, source: PublicKeySource) {
    this.#settings = settings;
    this.#source = source;
    this.#slots = new LookupSlots(settings.service.maxOpenFetches);
    this.#health = new ServiceHealth(settings.now, settings.keys.cooldownSeconds * 1000);
  }

  /** Whether the source was down when it was last asked, a moment ago. */
  get isDown(): boolean {
    return this.#health.isDown;
  }

  /** False while the source is down and left alone. */
  get mayAsk(): boolean {
    return this.#health.mayAsk;
  }

  /**
   * @param started `performance.now()` from which the deadline counts; waiting for a turn is part of it
   * @throws NotAskedError, or MAuthUnableToAuthenticateError as the source throws it
   */
  async ask(appUuid: string, kind: LookupKind, started: number): Promise<DatedKey | undefined> {
    const { deadlineMs } = this.#settings.service;
    const remaining = () => Math.max(1, deadlineMs - (performance.now() - started));
    this.#assertMayAsk();
    try {
      return await this.#slots.run(kind, remaining() - deadlineMs * SHARE_OF_SERVICE, async () => {
        this.#assertMayAsk();
        return await this.#fetch(appUuid, remaining());
      });
    } catch (error) {
      if (!(error instanceof NoSlotError)) throw error;
      throw new NotAskedError('too_many_lookups', 'Too many look-ups of public keys are under way.');
    }
  }

  close(): void {
    this.#source.close?.();
  }

  #assertMayAsk(): void {
    if (!this.mayAsk) throw leftAlone();
  }

  async #fetch(appUuid: string, withinMs: number): Promise<DatedKey | undefined> {
    // Before the question, so that the key was good at this time or later.
    const fetchedAt = moment(this.#settings.now);
    this.counts.fetches++;
    this.#health.asked();
    try {
      const found = await this.#source.fetch(appUuid, withinMs);
      this.#health.answered();
      return found && { key: found.key, fetchedAt, lifetime: lifetimeOf(found.maxAgeSeconds) };
    } catch (cause) {
      const error = failureOf(cause);
      this.counts.failures++;
      if (error.code === ('service_unavailable' satisfies KeyLookupFailureCode)) this.#health.failed(appUuid);
      else this.#health.answered();
      this.#settings.logger.warn(
        `The public key of app ${appUuid} was not found out (${error.code}): ${error.message}`,
      );
      throw error;
    }
  }
}

/** The source was not asked, because it is down. */
export function leftAlone(): NotAskedError {
  return new NotAskedError('service_unavailable', 'The MAuth service is down and left alone for a while.');
}

function failureOf(cause: unknown): MAuthUnableToAuthenticateError {
  if (cause instanceof MAuthUnableToAuthenticateError) return cause;
  const code: KeyLookupFailureCode = 'service_unavailable';
  return new MAuthUnableToAuthenticateError(code, 'The look-up failed; see the cause.', { cause });
}
