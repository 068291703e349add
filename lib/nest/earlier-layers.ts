import { type IncomingMessage, type ServerResponse } from 'node:http';
import { requestSubject } from '../events/printable.js';
import { privateFieldMap } from '../authentication/private-field-map.js';
import { type MAuthLogger } from '../config/options.js';
import { type EarlierLayers } from '../http/platform.js';

/** A class, like all that refers to a request (see `RequestPair`). */
class Watched {
  hasReachedGate = false;
}

/**
 * Reports the first answer that came from something in front of the gate of `protect: 'everything'`: of a middleware
 * or hook nothing can be told before it answers. Refusals and answers to preflight requests open nothing, so they may
 * come from there.
 */
export class GateWatch {
  readonly #requests = privateFieldMap<IncomingMessage, Watched>();
  readonly #logger: MAuthLogger;
  #hasReported = false;

  constructor(logger: MAuthLogger) {
    this.#logger = logger;
  }

  /**
   * A request comes in. May be called again.
   *
   * @param target path and query as the caller sent them
   */
  begin(request: IncomingMessage, response: ServerResponse, target: string): void {
    if (this.#hasReported || this.#requests.get(request)) return;
    const watched = new Watched();
    this.#requests.set(request, watched);
    response.once('finish', () => {
      const isOpen = request.method !== 'OPTIONS' && response.statusCode < 400;
      if (!watched.hasReachedGate && isOpen) this.#report(request, target);
    });
  }

  /** The gate is asked about the request. */
  reachedGate(request: IncomingMessage): void {
    const watched = this.#requests.get(request);
    if (watched) watched.hasReachedGate = true;
  }

  #report({ method = '' }: IncomingMessage, target: string): void {
    if (this.#hasReported) return;
    this.#hasReported = true;
    this.#logger.error(
      `MAuth: ${requestSubject(method, target)} was answered unsigned by a middleware or hook in front ` +
        "of the gate of `protect: 'everything'`. It was registered on the HTTP server instance before the application " +
        'was created; register it afterwards. Further answers of this kind are not reported.',
    );
  }
}

/**
 * Reports what answers in front of the gate, as far as it can be told at the start.
 *
 * @returns a watch over the rest, if there is any
 */
export function reportEarlierLayers(
  { answering, mayAnswer }: EarlierLayers,
  logger: MAuthLogger,
): GateWatch | undefined {
  if (answering.length > 0) {
    logger.error(
      `MAuth: what the HTTP server instance had before the application was created (${counted(answering)}) stands ` +
        "in front of the gate of `protect: 'everything'` and answers unsigned requests; register it afterwards.",
    );
  }
  return mayAnswer ? new GateWatch(logger) : undefined;
}

/** `2 × route, 1 × router` */
function counted(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} × ${kind}`).join(', ');
}
