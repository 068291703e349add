import { type IncomingMessage } from 'node:http';
import { type MaybePromise } from '../authentication/maybe-promise.js';
import { printable } from '../events/printable.js';
import { pathOf } from '../authentication/path-policy.js';
import { undecided } from '../authentication/result.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import {
  type Answer,
  answerFor,
  type InboundOutcome,
  type MAuthInboundFailure,
  sendAnswer,
} from './refusals.js';
import { type RequestPair } from './request-pair.js';

type Authenticate = (pair: RequestPair) => MaybePromise<InboundOutcome>;

/** Stands in front of handlers of any kind, which it knows nothing of: authentic requests pass, others are answered. */
export class Gate {
  readonly #settings: MAuthSettings;
  readonly #exempt: ExemptPaths;
  readonly #authenticate: Authenticate;
  readonly #answerTo: (failure: MAuthInboundFailure) => Answer;
  readonly #allowed = new WeakSet<IncomingMessage>();

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
  allows(pair: RequestPair, target: string): MaybePromise<boolean> {
    return this.#allowed.has(pair.request) || this.#exempt.has(target) || this.#ask(pair);
  }

  async #ask(pair: RequestPair): Promise<boolean> {
    try {
      const outcome = await this.#authenticate(pair);
      if (outcome.authentic) {
        this.#allowed.add(pair.request);
        return true;
      }
      sendAnswer(pair, this.#answerTo(outcome));
    } catch (error) {
      this.#stayShut(pair, error);
    }
    return false;
  }

  /** An error that left from here would be an argument of `next`, and not every server looks at that. */
  #stayShut(pair: RequestPair, error: unknown): void {
    const cause = error instanceof Error ? `: ${printable(error.message)}` : '';
    try {
      this.#settings.logger.error(
        `MAuth: a request could not be authenticated, for something failed${cause}`,
      );
    } catch {
      // The logger may be what has failed.
    }
    sendAnswer(pair, answerFor(undecided('service_unavailable'), this.#settings));
  }
}

const HEALTH_CHECK = '/app_status';

/**
 * Paths that pass a gate unsigned. They are exact and raw, since a path that is compared in any other spelling than
 * that of the wire has more than one spelling.
 */
export class ExemptPaths {
  readonly #paths: ReadonlySet<unknown>;

  /** @throws MAuthConfigurationError when they are no list of paths */
  constructor(paths: unknown = [HEALTH_CHECK]) {
    if (!Array.isArray(paths) || !paths.every(isPath)) {
      throw new MAuthConfigurationError(
        `MAuth option \`exempt\` must be a list of paths such as ${HEALTH_CHECK}, each exact, with a leading slash ` +
          'and without query.',
      );
    }
    this.#paths = new Set(paths);
  }

  /** @param target path and query, as in the request line */
  has(target: string): boolean {
    return this.#paths.has(pathOf(target));
  }
}

function isPath(path: unknown): boolean {
  return typeof path === 'string' && /^\/[^?#\s]*$/.test(path);
}

/** Runs `next` unless the gate has answered, or `failed` if there was an error. */
export function passGate(
  allowed: MaybePromise<boolean>,
  next: () => void,
  failed: (error: unknown) => void,
): void {
  // A middleware that throws in `next` would end the process as an unhandled rejection.
  if (typeof allowed !== 'boolean') allowed.then((isAllowed) => isAllowed && next()).catch(failed);
  else if (allowed) next();
}
