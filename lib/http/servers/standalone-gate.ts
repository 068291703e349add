import { type MaybePromise } from '../../authentication/and-then.js';
import { assembleParts, type OwnParts } from '../../authentication/authenticator-parts.js';
import { MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { Door } from '../gate.js';
import { type Exchange } from '../request-pair.js';
import { ExemptPaths } from '../exempt-paths.js';
import { type RequestReading } from '../platform.js';
import { RequestAuthenticator } from '../request-authenticator.js';
import { ResponseSigning } from '../response-signing.js';
import { ownProperties } from '../../protocol/own-properties.js';
import { mauthOptionsFromEnv } from '../../config/environment.js';
import { type MAuthOptions } from '../../config/options.js';

/** Options of a door without Nest: those of the core, and what passes the door. */
export interface MAuthDoorOptions extends MAuthOptions {
  /** Paths that pass unsigned, exactly as they stand in the request line, without query. Default `['/app_status']`. */
  exempt?: readonly string[];
}

/** A door, and all that it needs: where there is no Nest, nobody else makes it and lets go of it. */
export class StandaloneDoor {
  readonly #parts: OwnParts;
  readonly #door: Door;
  readonly #ready: Promise<void>;

  /**
   * @param options default: from the environment
   * @throws MAuthConfigurationError that names option or variable and the remedy
   */
  constructor(reading: RequestReading, options: MAuthDoorOptions = mauthOptionsFromEnv()) {
    const { exempt, ...rest } = ownProperties(options ?? {});
    const paths = new ExemptPaths(exempt);
    this.#parts = assembleParts(rest);
    const { settings, signer } = this.#parts;
    const responses = new ResponseSigning(settings, signer);
    const requests = new RequestAuthenticator(settings, new MAuthAuthenticator(this.#parts), (arrival) =>
      responses.watch(arrival),
    );
    this.#door = new Door(settings, paths, ({ request, response }) => {
      // Only now: an exempt request is none of our business, whatever its headers say.
      requests.receive(reading, request, response);
      return requests.authenticate(request);
    });
    this.#ready = this.#start();
    // Not everybody awaits it; until the key is there, what needs it is undecided.
    this.#ready.catch((error: Error) => settings.logger.error(error.message));
  }

  /**
   * Whether the request may go on. If not, it has been answered.
   *
   * @param target path and query that `exempt` is about
   */
  admits(exchange: Exchange, target: string): MaybePromise<boolean> {
    return this.#door.admits(exchange, target);
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
