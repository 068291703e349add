import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { textOfBytes } from '../protocol/byte-string.js';
import { type RequestLine } from '../protocol/string-to-sign.js';
import { type AuthenticationTicket, type AuthenticationTickets } from '../service/authentication-tickets.js';
import { type LogObserver } from './log-observer.js';
import { type PresentedSignature, type PresentedSignatures } from './presented-signatures.js';
import { inauthentic, undecided, type MAuthUndecidedCode } from './result.js';
import { type Verdict, type Verifier } from './verification.js';

/** Lets the MAuth service verify. The service wants the body itself, so it is kept until the service has answered. */
export class RemoteVerifier implements Verifier {
  /** The key is the service's. */
  readonly mismatch = undefined;
  #body: Uint8Array[] = [];

  constructor(
    private readonly tickets: AuthenticationTickets,
    private readonly head: RequestLine | undefined,
    private readonly signatures: PresentedSignatures,
    private readonly log: LogObserver,
  ) {}

  update(chunk: Uint8Array): void {
    if (this.signatures.first) this.#body.push(chunk);
  }

  prepare(): undefined {
    return undefined;
  }

  async verify(whole?: Uint8Array): Promise<Verdict> {
    const body = whole ? [whole] : this.#body;
    this.#body = []; // The verdict lets go of the bytes, and this object lives on with the request.
    const { first, second, version, failure } = this.signatures;
    try {
      for (const signature of [first, second]) {
        if (!signature) continue;
        if (signature.version !== version) this.log.attempted(signature.version, signature.appUuid);
        const ticket = ticketOf(signature, this.head as RequestLine);
        if (!ticket) return inauthentic('malformed_request');
        if (await this.tickets.isAuthentic(ticket, body)) return signature;
      }
      return failure;
    } catch (error) {
      const known = error instanceof MAuthUnableToAuthenticateError;
      return undecided(known ? (error.code as MAuthUndecidedCode) : 'service_unavailable');
    }
  }
}

function ticketOf(
  { version, appUuid, signature, time }: PresentedSignature,
  { method, path, query }: RequestLine,
): AuthenticationTicket | undefined {
  // JSON carries text only: bytes that are none cannot be asked about without turning into other bytes.
  const [request_url, query_string] = [textOfBytes(path), textOfBytes(query)];
  if (request_url === undefined || query_string === undefined) return undefined;
  return {
    verb: method,
    app_uuid: appUuid,
    client_signature: signature.toString('base64'),
    request_url,
    request_time: time,
    ...(version === 2 && { query_string, token: 'MWSV2' }),
  };
}
