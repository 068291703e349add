import { type MaybePromise } from '../../authentication/maybe-promise.js';
import { assembleParts, type OwnParts } from '../../authentication/authenticator-parts.js';
import { MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { Gate, ExemptPaths } from '../gate.js';
import { type RequestPair } from '../request-pair.js';
import { type TargetReader } from '../platform.js';
import { IncomingRequests } from '../incoming-requests.js';
import { ResponseSigning } from '../response-signing.js';
import { ownProperties } from '../../protocol/own-properties.js';
import { mauthOptionsFromEnv } from '../../config/environment.js';
import { type MAuthOptions } from '../../config/options.js';

/** Options of a gate without Nest: those of the core, and what passes the gate. */
export interface MAuthGateOptions extends MAuthOptions {
  /** Paths that pass unsigned, exactly as they stand in the request line, without query. Default `['/app_status']`. */
  exempt?: readonly string[];
}

/** A gate, and all that it needs, which Nest would make and let go of. */
export class StandaloneGate {
  readonly #parts: OwnParts;
  readonly #gate: Gate;
  readonly #ready: Promise<void>;

  /**
   * @param options default: from the environment
   * @throws MAuthConfigurationError that names option or variable and the remedy
   */
  constructor(reader: TargetReader, options: MAuthGateOptions = mauthOptionsFromEnv()) {
    const { exempt, ...rest } = ownProperties(options ?? {});
    const paths = new ExemptPaths(exempt);
    this.#parts = assembleParts(rest);
    const { settings, signer } = this.#parts;
    const responses = new ResponseSigning(settings, signer);
    const requests = new IncomingRequests(settings, new MAuthAuthenticator(this.#parts), {
      onArrival: (incoming) => responses.watch(incoming),
    });
    // Only when it is asked: the headers of an exempt request are not looked at.
    this.#gate = new Gate(settings, paths, ({ request, response }) =>
      requests.receive(reader, request, response).authenticate(),
    );
    this.#ready = this.#start();
    // Few await it; until the key is there, what needs it is undecided.
    this.#ready.catch((error: Error) => settings.logger.error(error.message));
  }

  /**
   * Whether the request may go on. If not, it has been answered.
   *
   * @param target path and query that `exempt` is about
   */
  allows(pair: RequestPair, target: string): MaybePromise<boolean> {
    return this.#gate.allows(pair, target);
  }

  /** Resolves when the private key is decrypted and the keys of `keys.warmUp` are there. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Ends look-ups that are under way and closes the connections to the MAuth service. */
  close(): void {
    this.#parts.keys?.close();
    this.#parts.tickets?.close();
  }

  async #start(): Promise<void> {
    await this.#parts.signer.ready();
    await this.#parts.keys?.warmUp();
  }
}
