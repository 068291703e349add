import { type IncomingMessage } from 'node:http';
import { MAuthConfigurationError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { answerFor } from './answers.js';
import { type Exchange } from './exchange.js';
import { type InboundOutcome } from './inbound-outcome.js';
import { pathOf } from './path-policy.js';
import { sendAnswer } from './send-answer.js';

type Authenticate = (request: IncomingMessage) => Promise<InboundOutcome>;

/**
 * Stands in front of the whole application with `protect: 'everything'`: routes, static files, mounted routers, what
 * is not found. Only exact raw paths are exempt, since a path that is compared in any other spelling than that of
 * the wire has more than one spelling.
 */
export class Door {
  readonly #settings: MAuthSettings;
  readonly #exempt: ReadonlySet<string>;
  readonly #authenticate: Authenticate;
  readonly #admitted = new WeakSet<IncomingMessage>();

  /** @throws MAuthConfigurationError when an exempt path is not a path */
  constructor(settings: MAuthSettings, exempt: readonly string[], authenticate: Authenticate) {
    for (const path of exempt) {
      if (!/^\/[^?#]*$/.test(path)) {
        throw new MAuthConfigurationError(
          `MAuth option \`exempt\` must hold exact paths such as /app_status, without query; "${path}" is none.`,
        );
      }
    }
    this.#settings = settings;
    this.#exempt = new Set(exempt);
    this.#authenticate = authenticate;
  }

  /**
   * Whether the request may go on. If not, it has been answered.
   *
   * @param target path and query as the application routes them
   */
  admits({ request, response }: Exchange, target: string): boolean | Promise<boolean> {
    if (this.#admitted.has(request)) return true;
    if (this.#exempt.has(pathOf(target))) return true;
    return this.#ask({ request, response });
  }

  async #ask({ request, response }: Exchange): Promise<boolean> {
    const outcome = await this.#authenticate(request);
    if (outcome.authentic) {
      this.#admitted.add(request);
      return true;
    }
    sendAnswer(response, answerFor(outcome, this.#settings));
    return false;
  }
}
