import { type AuthenticationTicket } from './authentication-tickets.js';

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
