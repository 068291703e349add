import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { textOfBytes } from '../protocol/byte-string.js';
import { type RequestLine } from '../protocol/request-target.js';
import { type AuthenticationTicket, type AuthenticationTickets } from '../service/authentication-tickets.js';
import { type Claim, type Claims } from './presented-signatures.js';
import { type ReplayProtection } from './replay-protection.js';
import {
  inauthentic,
  undecided,
  type MAuthFailure,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './result.js';
import { Verification } from './verification.js';

/** Lets the MAuth service verify. The service wants the body itself, so it is kept until the service has answered. */
export class RemoteVerification extends Verification {
  readonly #tickets: AuthenticationTickets;
  #body: Uint8Array[] = [];

  constructor(
    settings: MAuthSettings,
    tickets: AuthenticationTickets,
    protected override readonly head: RequestLine | undefined,
    claims: Claims,
    replays?: ReplayProtection,
  ) {
    super(settings, head, claims, replays);
    this.#tickets = tickets;
  }

  update(chunk: Uint8Array): void {
    if (!this.rejected) this.#body.push(chunk);
  }

  findKey(): MAuthFailure | undefined {
    this.attempt();
    if (this.rejected) return this.refuse(this.rejected);
    return undefined;
  }

  protected async verify(whole?: Uint8Array): Promise<MAuthResult> {
    const body = whole ? [whole] : this.#body;
    this.#body = []; // The verdict lets go of the bytes, and this object lives on with the request.
    try {
      const { first, second } = this.claims;
      for (const claim of [first, second]) {
        if (!claim) continue;
        this.attemptClaim(claim);
        const ticket = ticketOf(claim, this.head as RequestLine);
        if (!ticket) return this.refuse(inauthentic('malformed_request'));
        if (await this.#tickets.isAuthentic(ticket, body)) return this.accept(claim);
      }
      return this.refuse(this.claims.failure);
    } catch (error) {
      const known = error instanceof MAuthUnableToAuthenticateError;
      return this.refuse(undecided(known ? (error.code as MAuthUndecidedCode) : 'service_unavailable'));
    }
  }
}

function ticketOf(claim: Claim, { method, path, query }: RequestLine): AuthenticationTicket | undefined {
  // JSON carries text only: bytes that are none cannot be asked about without turning into other bytes.
  const [request_url, query_string] = [textOfBytes(path), textOfBytes(query)];
  if (request_url === undefined || query_string === undefined) return undefined;
  return {
    verb: method,
    app_uuid: claim.appUuid,
    client_signature: claim.signature.toString('base64'),
    request_url,
    request_time: claim.time,
    ...(claim.version === 2 && { query_string, token: 'MWSV2' }),
  };
}
