import { type IncomingMessage } from 'node:http';
import { printable } from '../events/printable.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { type IncomingRequest } from './incoming-request.js';
import { HeldBytesBudget } from './held-bytes.js';
import { getMAuthIdentity } from './identity.js';
import { ResponseBodyTap, type UnsignedReason } from './response-body-tap.js';

/**
 * Signs responses: those to authenticated requests where `responses.sign` is set, and those of handlers with
 * `@SignResponse()`. Where neither exists no response is touched.
 */
export class ResponseSigning {
  readonly #settings: MAuthSettings;
  readonly #signer: Pick<MAuthSigner, 'signResponse' | 'canSign'>;
  readonly #budget: HeldBytesBudget;
  readonly #alwaysSigned = new WeakSet<IncomingMessage>();
  #hasMarkedRoutes = false;

  constructor(settings: MAuthSettings, signer: Pick<MAuthSigner, 'signResponse' | 'canSign'>) {
    this.#settings = settings;
    this.#signer = signer;
    this.#budget = new HeldBytesBudget(settings.body.maxHeldBytesTotal);
  }

  /**
   * Some handlers carry `@SignResponse()`, so every response has to be watched: whose it is shows later.
   *
   * @throws MAuthConfigurationError without a private key
   */
  expectMarkedRoutes(): void {
    if (!this.#signer.canSign) {
      throw new MAuthConfigurationError(
        'There are handlers with @SignResponse(), but no private key: set the MAuth option `privateKey` or ' +
          '`privateKeyFile`.',
      );
    }
    this.#hasMarkedRoutes = true;
  }

  /** The request has reached a handler with `@SignResponse()`. */
  signAlways(request: IncomingMessage): void {
    this.#alwaysSigned.add(request);
    this.#expectSignature(request);
  }

  /** Watches the response to a request that has just come in, if it may have to be signed. */
  watch(incoming: IncomingRequest): void {
    const isSigned = this.#settings.responses.sign && incoming.hasBegun;
    if (!isSigned && !this.#hasMarkedRoutes) return;
    if (isSigned) this.#expectSignature(incoming.request);
    if (!ResponseBodyTap.fits(incoming.response)) {
      this.#settings.logger.error(
        'MAuth: responses cannot be signed, because something in front of MAuth changes them, such as compression; ' +
          'register it after MAuth (in a Nest application: by `app.use()`, not on the server instance).',
      );
      return;
    }
    new ResponseBodyTap(incoming, {
      isWanted: () => this.#isWanted(incoming),
      sign: (status, body) => this.#signer.signResponse({ status, body }, versionsFor(incoming)),
      onUnsigned: (reason, error) => this.#unsigned(incoming, reason, error),
      budget: this.#budget,
      maxBytes: this.#settings.responses.maxBytes,
    });
  }

  /** Compression goes by this header, and looks at it when the application answers. */
  #expectSignature({ headers }: IncomingMessage): void {
    if (!this.#settings.responses.compress) headers['accept-encoding'] = 'identity';
  }

  /** A refusal is not signed: who is not authentic gets no signature out of this application. */
  #isWanted({ request, isAsked }: IncomingRequest): boolean {
    const isMarked = this.#alwaysSigned.has(request);
    if (getMAuthIdentity(request)) return isMarked || this.#settings.responses.sign;
    return isMarked && !isAsked;
  }

  #unsigned({ subject }: IncomingRequest, reason: UnsignedReason, error: unknown): void {
    const cause = error instanceof Error ? `: ${printable(error.message)}` : '';
    const line = `MAuth: the response to ${subject} goes out unsigned (${reason}${cause})`;
    if (reason === 'signing_failed') this.#settings.logger.error(line);
    else this.#settings.logger.warn(line);
  }
}

/** The version that the request used, by which it was authentic if that was asked; else the application's own. */
function versionsFor({ request, presentedVersion }: IncomingRequest) {
  const version = getMAuthIdentity(request)?.protocolVersion ?? presentedVersion;
  return version === undefined ? {} : { signVersions: `v${version}` };
}
