import { type IncomingMessage, type ServerResponse } from 'node:http';
import { RequestPair, originalTarget } from '../request-pair.js';
import { passGate } from '../gate.js';
import { type TargetReader } from '../platform.js';
import { StandaloneGate, type MAuthGateOptions } from './standalone-gate.js';
import { ownProperty } from '../../protocol/own-properties.js';

/** A middleware for Express, Connect, and other servers that call `(request, response, next)`. */
export interface MAuthGateMiddleware {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void;
  /**
   * Resolves when the private key has been decrypted and the keys of `keys.warmUp` have been fetched. There is no need
   * to wait: what cannot be decided yet is answered with 503.
   *
   * @throws MAuthConfigurationError when the private key cannot be decrypted
   */
  ready(): Promise<void>;
  /** Closes the connections to the MAuth service; to be called when the server has closed. */
  close(): void;
}

const READER: TargetReader = {
  routedTargets: (request) => [originalTarget(request), ownProperty(request, 'url') ?? ''],
  isRouted: () => false, // Nothing tells.
};

/**
 * A gate for servers without Nest: nothing but authentic requests passes, and the paths in `exempt`. All others are
 * answered here, as a Nest application with this package answers them; `getMAuthIdentity(request)` tells the rest of
 * the server who is calling. With `responses.sign` the responses to authentic requests are signed.
 *
 * It belongs in front of everything that reads bodies or answers: a body that was read already is refused with 503,
 * and what stands in front of it is open. Under a path (`app.use('/api', …)`) the signature is still verified over
 * the whole of what was sent. Mounted twice, it verifies once. Requests for an upgrade, such as those of WebSockets,
 * pass no middleware.
 *
 * @param options those of the core, and `exempt`; default: from the environment
 * @throws MAuthConfigurationError that names option or variable and the remedy
 *
 * @example
 * const app = express();
 * app.use(mauthMiddleware({ ...mauthOptionsFromEnv(), exempt: ['/app_status', '/version'] }));
 * app.use(express.json());
 * app.post('/studies', (request, response) => response.json(getMAuthIdentity(request)));
 */
export function mauthMiddleware(options?: MAuthGateOptions): MAuthGateMiddleware {
  const gate = new StandaloneGate(READER, options);
  const middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) =>
    passGate(
      gate.allows(new RequestPair(request, response), originalTarget(request)),
      next,
      throwToTheProcess,
    );
  return Object.assign(middleware, { ready: () => gate.ready(), close: () => gate.close() });
}

/**
 * What throws in `next` is what stands behind the gate on a server that does not catch it: as without the gate, the
 * process gets the error. `next(error)` would run the handler a second time.
 */
function throwToTheProcess(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
