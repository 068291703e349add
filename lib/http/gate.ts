import { type IncomingMessage } from 'node:http';
import { type MaybePromise } from '../authentication/and-then.js';
import { printable } from '../authentication/attempt-log.js';
import { undecided } from '../authentication/result.js';
import { type MAuthSettings } from '../config/options.js';
import { answerFor, type Answer } from './answers.js';
import { type Exchange } from './request-pair.js';
import { type ExemptPaths } from './exempt-paths.js';
import { type MAuthInboundFailure } from './inbound-failure.js';
import { type InboundOutcome } from './inbound-outcome.js';
import { sendAnswer } from './send-answer.js';

type Authenticate = (exchange: Exchange) => MaybePromise<InboundOutcome>;

/** Stands in front of handlers of any kind, which it knows nothing of: authentic requests pass, others are answered. */
export class Door {
  readonly #settings: MAuthSettings;
  readonly #exempt: ExemptPaths;
  readonly #authenticate: Authenticate;
  readonly #answerTo: (failure: MAuthInboundFailure) => Answer;
  readonly #admitted = new WeakSet<IncomingMessage>();

  /** @param answerTo what a refused caller gets; default: as all MAuth services answer */
  constructor(
    settings: MAuthSettings,
    exempt: ExemptPaths,
    authenticate: Authenticate,
    answerTo = (failure: MAuthInboundFailure) => answerFor(failure, settings),
  ) {
    this.#settings = settings;
    this.#exempt = exempt;
    this.#authenticate = authenticate;
    this.#answerTo = answerTo;
  }

  /**
   * Whether the request may go on. If not, it has been answered.
   *
   * @param target path and query as the application routes them
   */
  admits(exchange: Exchange, target: string): MaybePromise<boolean> {
    return this.#admitted.has(exchange.request) || this.#exempt.has(target) || this.#ask(exchange);
  }

  async #ask(exchange: Exchange): Promise<boolean> {
    try {
      const outcome = await this.#authenticate(exchange);
      if (outcome.authentic) {
        this.#admitted.add(exchange.request);
        return true;
      }
      sendAnswer(exchange, this.#answerTo(outcome));
    } catch (error) {
      this.#stayShut(exchange, error);
    }
    return false;
  }

  /** An error that left from here would be an argument of `next`, and not every server looks at that. */
  #stayShut(exchange: Exchange, error: unknown): void {
    const cause = error instanceof Error ? `: ${printable(error.message)}` : '';
    try {
      this.#settings.logger.error(
        `MAuth: a request could not be authenticated, for something failed${cause}`,
      );
    } catch {
      // The logger may be what has failed.
    }
    sendAnswer(exchange, answerFor(undecided('service_unavailable'), this.#settings));
  }
}
