import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { PriorityBulkhead, BulkheadFullError, type LookupKind } from './priority-bulkhead.js';
import { Cooldown } from './cooldown.js';
import { type ServiceFailureCode } from './service-connection.js';
import { CircuitBreaker } from './circuit-breaker.js';

/** The service was not asked: too much is under way, or it is being left alone. Says nothing about the app. */
export class NotAskedError extends MAuthUnableToAuthenticateError {
  static override readonly name: string = MAuthUnableToAuthenticateError.name;
}

/**
 * Of the deadline, what the service itself has in any case, however long the question waited for its turn. With less
 * it would fail for our own haste, and the service would look as if it were down.
 */
const SHARE_OF_SERVICE = 0.5;

/** One question about an app. */
export interface BoundedQuestion<T> {
  /** In lower case. */
  readonly appUuid: string;
  readonly kind: LookupKind;
  /** Whether the app goes first when it asks again after it was turned away; see `SlotRequest`. */
  readonly goesFirstNextTime: boolean;
  /** `performance.now()` from which the deadline counts; waiting for a turn is part of it. */
  readonly started: number;
  /** Begins a line in the log when there was no answer that could be used. */
  readonly failureLine: string;
  /** Asks, once it may be asked. */
  ask(withinMs: number): Promise<T>;
  /** Whether the failure shows that the service is down, and not that the question was a bad one. */
  isOutage(error: MAuthUnableToAuthenticateError): boolean;
}

/** A service that is never asked too much at once, and hardly at all while it is down. */
export class BoundedService {
  readonly #settings: MAuthSettings;
  readonly #bulkhead: PriorityBulkhead;
  readonly breaker: CircuitBreaker;
  #lastOutage: ServiceFailureCode = 'service_unavailable';
  #refusalTold: Cooldown | undefined;

  constructor(settings: MAuthSettings) {
    this.#settings = settings;
    this.#bulkhead = new PriorityBulkhead(settings.service.maxOpenFetches);
    this.breaker = new CircuitBreaker(settings.now, this.#cooldownMs);
  }

  /**
   * @throws NotAskedError, or MAuthUnableToAuthenticateError as the question throws it; anything else that it throws
   * becomes `service_unavailable`
   */
  async ask<T>(question: BoundedQuestion<T>): Promise<T> {
    const { deadlineMs } = this.#settings.service;
    const share = deadlineMs * SHARE_OF_SERVICE;
    const remaining = () => deadlineMs - (performance.now() - question.started);
    this.#assertMayAsk();
    const request = {
      kind: question.kind,
      withinMs: remaining() - share,
      returning: question.goesFirstNextTime ? question.appUuid : undefined,
    };
    try {
      return await this.#bulkhead.run(request, async () => {
        this.#assertMayAsk();
        // Waiting ends in time, unless the process is so busy that its timers are late.
        return await this.#ask(question, Math.max(share, remaining()));
      });
    } catch (error) {
      if (!(error instanceof BulkheadFullError)) throw error;
      throw new NotAskedError('too_many_lookups', 'Too many questions to the MAuth service are under way.');
    }
  }

  /** Why nothing is asked while the service is down. */
  leftAlone(): NotAskedError {
    return new NotAskedError(this.#lastOutage, 'The MAuth service is down and left alone for a while.');
  }

  get #cooldownMs(): number {
    return this.#settings.keys.cooldownSeconds * 1000;
  }

  #assertMayAsk(): void {
    if (this.breaker.state === 'open') throw this.leftAlone();
  }

  async #ask<T>(question: BoundedQuestion<T>, withinMs: number): Promise<T> {
    this.breaker.asked();
    try {
      const answer = await question.ask(withinMs);
      this.breaker.answered();
      return answer;
    } catch (cause) {
      const error = failureOf(cause);
      if (question.isOutage(error)) this.#outage(question.appUuid, error);
      else this.breaker.answered();
      this.#report(question, error);
      throw error;
    }
  }

  #outage(appUuid: string, error: MAuthUnableToAuthenticateError): void {
    this.#lastOutage = error.code as ServiceFailureCode;
    this.breaker.failed(appUuid);
  }

  /** A refusal of this app itself is the same for every question, so it is told once in a while. */
  #report(
    { failureLine }: BoundedQuestion<unknown>,
    { code, message }: MAuthUnableToAuthenticateError,
  ): void {
    const { logger, now } = this.#settings;
    if (code !== ('own_app_refused' satisfies ServiceFailureCode)) {
      logger.warn(`${failureLine} (${code}): ${message}`);
    } else if (!this.#refusalTold?.lasts) {
      this.#refusalTold = Cooldown.jittered(now, this.#cooldownMs);
      logger.error(`MAuth: ${message}`);
    }
  }
}

function failureOf(cause: unknown): MAuthUnableToAuthenticateError {
  if (cause instanceof MAuthUnableToAuthenticateError) return cause;
  const code: ServiceFailureCode = 'service_unavailable';
  return new MAuthUnableToAuthenticateError(code, 'The question failed; see the cause.', { cause });
}
