import { type AuthenticationTickets } from '../service/authentication-tickets.js';
import { type PublicKeys } from '../service/public-key-source.js';
import { type MAuthOptions, type MAuthSettings } from '../config/options.js';
import { MAuthEvents } from '../events/mauth-events.js';
import { bytesOfWireText } from '../protocol/byte-string.js';
import { forEachField, rereadable, type MAuthHeaderFields } from '../protocol/headers.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { isStatus, readRequestLine, StatusLine, type RequestLine } from '../protocol/string-to-sign.js';
import { assembleParts, type AuthenticatorParts } from './authenticator-parts.js';
import { ExplainedVerifier } from './explained-verifier.js';
import { LocalVerifier } from './local-verifier.js';
import { LogObserver } from './log-observer.js';
import { isPromise, type MaybePromise } from './maybe-promise.js';
import { isAmbiguous } from './path-policy.js';
import { readSignatures, type PresentedSignatures } from './presented-signatures.js';
import { RemoteVerifier } from './remote-verifier.js';
import { ReplayProtection } from './replay-protection.js';
import { inauthentic, type MAuthResult } from './result.js';
import { Verification, type VerificationContext, type Verifier } from './verification.js';

/** A request as it came off the wire. */
export interface MAuthRequestToAuthenticate {
  readonly method: string;
  /** Path and query, undecoded. In Node that is `request.url`; bytes are taken as they are. */
  readonly url: string | Uint8Array;
  /** A value may be the list of its lines; names are read in any case. */
  readonly headers: MAuthHeaderFields;
  /**
   * The bytes on the wire, or text that stands for its UTF-8 bytes; null = the request has no body. Bytes must stay as
   * they are until the promise settles.
   */
  readonly body: Uint8Array | string | null;
}

/** The head of a request. */
export type RequestHead = Omit<MAuthRequestToAuthenticate, 'body'>;

/** A response as it came off the wire. */
export interface MAuthResponseToAuthenticate {
  readonly status: number;
  readonly headers: MAuthHeaderFields;
  /** The bytes on the wire, or text that stands for its UTF-8 bytes; null = the response has no body. */
  readonly body: Uint8Array | string | null;
}

/**
 * Finds out which app signed a message.
 *
 * It knows no router, so the option `pathPolicy` has no default here: targets that can be read in two ways are refused
 * (401, `ambiguous_path`) only where `pathPolicy: 'strict'` is set. Set it if what is behind it routes requests.
 *
 * @example
 * const authenticator = new MAuthAuthenticator({ appUuid, privateKeyFile, mauthUrl: 'https://mauth.example.com' });
 * const result = await authenticator.authenticateRequest({ method, url, headers, body });
 * if (!result.authentic) return answer(result.status);
 */
export class MAuthAuthenticator {
  /** @internal For what surrounds authentication. */
  readonly events: MAuthEvents;
  /** @internal Whether requests without MAuth headers are looked at like signed ones; only where a test says so. */
  readonly looksAtUnsigned: boolean = false;
  readonly #settings: MAuthSettings;
  readonly #context: VerificationContext;
  readonly #keys: PublicKeys | undefined;
  readonly #tickets: AuthenticationTickets | undefined;
  readonly #replays: ReplayProtection | undefined;
  readonly #pathPolicy: MAuthSettings['pathPolicy'];

  /** @throws MAuthConfigurationError that names the option and the remedy */
  constructor(options: MAuthOptions);
  /** @internal */
  constructor(options: MAuthOptions | AuthenticatorParts);
  constructor(options: MAuthOptions | AuthenticatorParts) {
    const { settings, keys, tickets } = ownProperties(
      isAssembled(options) ? options : assembleParts(options),
    );
    this.events = new MAuthEvents(settings);
    this.#settings = settings;
    this.#context = { settings, log: new LogObserver(settings), events: this.events };
    this.#keys = keys;
    this.#tickets = tickets;
    this.#replays = settings.replayProtection && new ReplayProtection(settings, settings.replayProtection);
    this.#pathPolicy = settings.isPathPolicySet ? settings.pathPolicy : 'protocol';
  }

  /**
   * Authenticates a request whose whole body is there. What came from outside never makes it throw: the result says
   * 401 (inauthentic) or 503 (could not be decided), with a code for the log. With `replayProtection`, to ask about
   * one request twice is a replay.
   */
  authenticateRequest(request: MAuthRequestToAuthenticate): Promise<MAuthResult> {
    return this.authenticateRouted(request);
  }

  /**
   * The same where a handler goes by other targets than the one that was signed.
   *
   * @internal
   */
  async authenticateRouted(
    request: MAuthRequestToAuthenticate,
    routed?: readonly string[],
  ): Promise<MAuthResult> {
    const fields = rereadable(ownProperty(request, 'headers') ?? {});
    const head = {
      method: ownProperty(request, 'method') as string,
      url: ownProperty(request, 'url') as string,
      headers: fields,
    };
    return this.#authenticate(this.beginRequest(head), fields, ownProperty(request, 'body'), routed);
  }

  /** Authenticates a response whose whole body is there, on the same terms. */
  async authenticateResponse(response: MAuthResponseToAuthenticate): Promise<MAuthResult> {
    const fields = rereadable(ownProperty(response, 'headers') ?? {});
    const status = ownProperty(response, 'status');
    const body = ownProperty(response, 'body');
    const head = isStatus(status) ? new StatusLine(status) : undefined;
    const signatures = readSignatures(fields, head, this.#settings);
    const verifier = new LocalVerifier(this.#keys, signatures, this.#context.log);
    const verification = new Verification(this.#context, 'response', head, signatures, verifier);
    return this.#authenticate(verification, fields, body);
  }

  /**
   * Begins to authenticate a request whose body is still to come. Reads headers and clock, and nothing else.
   *
   * @internal
   * @param pathPolicy what holds where the request goes to
   */
  beginRequest({ method, url, headers }: RequestHead, pathPolicy = this.#pathPolicy): Verification {
    const head = requestLine(method, url);
    const read = readSignatures(headers ?? {}, head, this.#settings);
    const isRefused = read.first && head && pathPolicy === 'strict' && isAmbiguous(head);
    const signatures = isRefused ? read.rejected(AMBIGUOUS) : read;
    const verifier = this.#verifier({ method, url, headers }, head, signatures);
    const replays = this.#replays?.concerns(method) ? this.#replays : undefined;
    return new Verification(this.#context, pathPolicy, head, signatures, verifier, replays);
  }

  #verifier(request: RequestHead, head: RequestLine | undefined, signatures: PresentedSignatures): Verifier {
    const { log, settings } = this.#context;
    if (this.#tickets) return new RemoteVerifier(this.#tickets, head, signatures, log);
    const verifier = new LocalVerifier(this.#keys, signatures, log);
    const isExplained = settings.explainFailures && head && signatures.first;
    return isExplained ? new ExplainedVerifier(verifier, request, head, settings) : verifier;
  }

  /** Without a promise where the key is in the cache: each one that is awaited costs a turn. */
  #authenticate(
    verification: Verification,
    headers: MAuthHeaderFields,
    body: MAuthRequestToAuthenticate['body'] | undefined,
    routed?: readonly string[],
  ): MaybePromise<MAuthResult> {
    if (!verification.rejected && !isBodyThere(headers, body)) return verification.refuseWithoutBody();
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : (body ?? undefined);
    const failure = verification.prepare(routed);
    const result = isPromise(failure)
      ? failure.then((late) => late ?? verification.conclude(bytes))
      : (failure ?? verification.conclude(bytes));
    return isPromise(result)
      ? result.then((late) => reported(verification, late))
      : reported(verification, result);
  }
}

function reported(verification: Verification, result: MAuthResult): MAuthResult {
  if (result.authentic) verification.accepted(result);
  return result;
}

function isAssembled(options: MAuthOptions | AuthenticatorParts): options is AuthenticatorParts {
  return Object.hasOwn(options, 'settings');
}

const AMBIGUOUS = inauthentic('ambiguous_path');

function requestLine(method: string, url: string | Uint8Array): RequestLine | undefined {
  const isUrl = typeof url === 'string' || url instanceof Uint8Array;
  return isUrl ? readRequestLine(method, bytesOfWireText(url)) : undefined;
}

/** "No bytes seen" is not "no body": what the headers announce must be there. */
function isBodyThere(headers: MAuthHeaderFields, body: unknown): boolean {
  if (typeof body === 'string' || body instanceof Uint8Array) return true;
  if (body !== null) return false;
  let isAnnounced = false;
  forEachField(headers, ANNOUNCING_LENGTHS, (name, value) => {
    isAnnounced ||= announcesBody(name.toLowerCase(), value);
  });
  return !isAnnounced;
}

const ANNOUNCING_LENGTHS = new Set(['content-length'.length, 'transfer-encoding'.length]);

function announcesBody(name: string, value: unknown): boolean {
  const lines = (Array.isArray(value) ? value : [value]).filter((line) => line !== undefined);
  if (name === 'transfer-encoding') return lines.length > 0;
  return name === 'content-length' && !lines.every((line) => typeof line === 'string' && /^0+$/.test(line));
}
