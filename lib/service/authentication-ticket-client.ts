import { type MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { type MAuthSettings } from '../config/options.js';
import { malformed } from './answer-body.js';
import { type AuthenticationTicket, type AuthenticationTickets } from './authentication-tickets.js';
import { BoundedService } from './bounded-service.js';
import { MAuthServiceConnection } from './service-connection.js';
import { ServiceFailure } from './service-failure.js';
import { TicketBody } from './ticket-body.js';

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
      // Anybody can make up requests, so all share the slots and the bounded queue of what is unknown.
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
