import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { malformed } from './answer-body.js';
import { type AuthenticationTicket, type AuthenticationTickets } from './authentication-tickets.js';
import { LookupSlots, NoSlotError } from './lookup-slots.js';
import { MAuthServiceConnection, type ServiceSettings } from './mauth-service-connection.js';

/** Has the MAuth service verify requests (remote mode), one ticket a request. */
export class AuthenticationTicketClient implements AuthenticationTickets {
  readonly #connection: MAuthServiceConnection;
  readonly #slots: LookupSlots;
  readonly #deadlineMs: number;

  /** @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed */
  constructor(settings: ServiceSettings, signer: MAuthSigner) {
    this.#connection = new MAuthServiceConnection(settings, signer);
    this.#slots = new LookupSlots(settings.service.maxOpenFetches);
    this.#deadlineMs = settings.service.deadlineMs;
  }

  /**
   * @throws MAuthUnableToAuthenticateError `service_unavailable`, `service_answer_malformed`, `too_many_lookups`
   */
  async isAuthentic(ticket: AuthenticationTicket): Promise<boolean> {
    const status = await this.#inTurn(JSON.stringify({ authentication_ticket: ticket }));
    if (status >= 200 && status < 300) return true;
    if (status === 404 || status === 412) return false;
    throw malformed(`has status ${status}, which says nothing about the request`);
  }

  close(): void {
    this.#connection.close();
  }

  /** Waiting for a turn is part of the deadline. */
  async #inTurn(body: string): Promise<number> {
    const started = performance.now();
    try {
      // Anybody can make up requests, so all share the slots and the bounded queue of what is unknown.
      return await this.#slots.run('unknown', this.#deadlineMs, async () => {
        const remaining = Math.max(1, this.#deadlineMs - (performance.now() - started));
        const question = {
          method: 'POST',
          path: 'authentication_tickets.json',
          body,
          wants: 'status',
        } as const;
        return (await this.#connection.ask(question, remaining)).status;
      });
    } catch (error) {
      if (!(error instanceof NoSlotError)) throw error;
      throw new MAuthUnableToAuthenticateError(
        'too_many_lookups',
        'Too many requests wait for the MAuth service.',
      );
    }
  }
}
