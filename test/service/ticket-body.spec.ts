import fc from 'fast-check';
import { type AuthenticationTicket, TicketBody } from '../../lib/service/authentication-tickets.js';
const text = fc.string({ unit: 'binary' });
const ticket: fc.Arbitrary<AuthenticationTicket> = fc.record(
  {
    verb: text,
    app_uuid: text,
    client_signature: text,
    request_url: text,
    request_time: text,
    query_string: text,
    token: fc.constant('MWSV2' as const),
  },
  { requiredKeys: ['verb', 'app_uuid', 'client_signature', 'request_url', 'request_time'] },
);
/** Around the size in which bodies are encoded, and around multiples of three. */
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 10 }),
  fc.integer({ min: 24 * 1024 - 4, max: 24 * 1024 + 4 }).map((length) => Buffer.alloc(length, 'MAuth')),
  fc.integer({ min: 0, max: 100_000 }).map((length) => Buffer.alloc(length, 'x')),
);

describe('The JSON of a ticket', () => {
  it('is what JSON.stringify and base64 make of all of it, however the body is cut, as often as it is read', () => {
    fc.assert(
      fc.property(ticket, fc.array(piece, { maxLength: 8 }), (parts, body) => {
        const written = new TicketBody(parts, body);
        const whole = Buffer.concat(body).toString('base64');
        for (let time = 0; time < 2; time++) {
          const bytes = Buffer.concat([...written].map((part) => Buffer.from(part)));
          expect(bytes.length).toBe(written.length);
          expect(JSON.parse(bytes.toString())).toEqual(
            JSON.parse(JSON.stringify({ authentication_ticket: { ...parts, b64encoded_body: whole } })),
          );
        }
      }),
    );
  });

  it('comes in pieces that are small, however large those of the body are', () => {
    const written = new TicketBody({} as AuthenticationTicket, [Buffer.alloc(1_000_000)]);
    expect(Math.max(...[...written].map(({ length }) => length))).toBe(32 * 1024);
  });
});
