import { type MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { BoundedService } from './bounded-service.js';
import { malformed } from './service-answer.js';
import { MAuthServiceConnection, ServiceFailure } from './service-connection.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';

/** What the MAuth service is asked in remote mode, but for the body; the names are those of its API. */
export interface AuthenticationTicket {
  readonly verb: string;
  readonly app_uuid: string;
  /** Base64. */
  readonly client_signature: string;
  /** Path, without query. */
  readonly request_url: string;
  /** Seconds since 1970, as sent. */
  readonly request_time: string;
  /** V2 only: as sent, without its `?`. */
  readonly query_string?: string;
  /** V2 only. */
  readonly token?: 'MWSV2';
}

/** What decides about authentication tickets: the MAuth service. */
export interface AuthenticationTickets {
  /**
   * Whether the request that the ticket describes is authentic.
   *
   * @param body bytes of the request, in order; they must stay as they are until the promise settles
   * @throws MAuthUnableToAuthenticateError with a `MAuthUndecidedCode` when the service could not tell
   */
  isAuthentic(ticket: AuthenticationTicket, body: readonly Uint8Array[]): Promise<boolean>;
}

/** Has the MAuth service verify requests (remote mode), one ticket a request. */
export class AuthenticationTicketClient implements AuthenticationTickets {
  readonly #connection: MAuthServiceConnection;
  readonly #service: BoundedService;

  /** @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed */
  constructor(settings: MAuthSettings, signer: MAuthSigner) {
    this.#connection = new MAuthServiceConnection(settings, signer);
    this.#service = new BoundedService(settings);
  }

  /**
   * @throws MAuthUnableToAuthenticateError `service_unavailable`, `own_app_refused`, `service_answer_malformed`,
   * `too_many_lookups`
   */
  isAuthentic(ticket: AuthenticationTicket, body: readonly Uint8Array[]): Promise<boolean> {
    const appUuid = ticket.app_uuid.toLowerCase();
    return this.#service.ask({
      appUuid,
      // Any caller can make up requests, so all share the slots and the bounded queue of what is unknown.
      kind: 'unknown',
      goesFirstNextTime: false,
      started: performance.now(),
      failureLine: `The MAuth service could not be asked about a request of app ${appUuid}`,
      ask: (withinMs) => this.#ask(new TicketBody(ticket, body), withinMs),
      isOutage: (error) => isOutage(error, body),
    });
  }

  close(): void {
    this.#connection.close();
  }

  async #ask(body: TicketBody, withinMs: number): Promise<boolean> {
    const question = { method: 'POST', path: 'authentication_tickets.json', body, wants: 'status' } as const;
    const { status } = await this.#connection.ask(question, withinMs);
    if (status >= 200 && status < 300) return true;
    if (status === 404 || status === 412) return false;
    throw malformed(`has status ${status}, which says nothing about the request`);
  }
}

/** Bytes of a body; a ticket with a larger one may be late for its size alone. */
const LARGE = 64 * 1024;
/** What stands in front of a service answers these when it is down. */
const STATUSES_OF_OUTAGE: ReadonlySet<number | undefined> = new Set([401, 429, 502, 503, 504]);

/**
 * A caller chooses what a ticket says, and could close the service to everybody else if it counted as an outage that
 * a ticket is answered with 500, stopped with 403 on the way, or takes long because it is large.
 */
function isOutage(error: MAuthUnableToAuthenticateError, body: readonly Uint8Array[]): boolean {
  if (!(error instanceof ServiceFailure)) return false;
  if (error.status !== undefined) return STATUSES_OF_OUTAGE.has(error.status);
  return body.reduce((sum, piece) => sum + piece.length, 0) <= LARGE;
}

/** Bytes that are encoded at once; a multiple of three, so that base64 can go on without padding. */
const BYTES_AT_ONCE = 24 * 1024;

/**
 * The JSON of an authentication ticket, written piece by piece: base64 and JSON of a large body would take a multiple
 * of its memory. It can be gone through several times, and each piece is encoded when its turn comes.
 */
export class TicketBody implements Iterable<string> {
  /** In bytes. */
  readonly length: number;
  readonly #opening: string;
  readonly #body: readonly Uint8Array[];

  /** @param body bytes of the request, in order */
  constructor(ticket: AuthenticationTicket, body: readonly Uint8Array[]) {
    const complete = JSON.stringify({ authentication_ticket: { ...ticket, b64encoded_body: '' } });
    this.#opening = complete.slice(0, -CLOSING.length);
    this.#body = body;
    const bytes = body.reduce((sum, piece) => sum + piece.length, 0);
    this.length = Buffer.byteLength(complete) + Math.ceil(bytes / 3) * 4;
  }

  *[Symbol.iterator](): Iterator<string> {
    yield this.#opening;
    yield* base64(this.#body);
    yield CLOSING;
  }
}

/** What follows on the last member, which is the body. */
const CLOSING = '"}}';

function* base64(pieces: readonly Uint8Array[]): Iterable<string> {
  const buffer = Buffer.allocUnsafeSlow(BYTES_AT_ONCE);
  let used = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + BYTES_AT_ONCE - used);
      buffer.set(part, used);
      used += part.length;
      at += part.length;
      if (used < BYTES_AT_ONCE) continue;
      yield buffer.toString('base64');
      used = 0;
    }
  }
  if (used > 0) yield buffer.toString('base64', 0, used);
}
