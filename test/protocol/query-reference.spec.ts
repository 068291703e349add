import fc from 'fast-check';
import { canonicalQuery } from '../../lib/protocol/canonical-target.js';
import { dialectQueries } from '../../lib/protocol/query-dialects.js';
import { canonicalQueryOf, dialectQueriesOf } from './reference.js';

const RUNS = Number(process.env.MAUTH_FUZZ_RUNS ?? (process.env.CI === 'true' ? 20_000 : 500));
const TIMEOUT = 60_000 + RUNS * 5;

/** Bytes, one character each. */
const latin1 = (text: string) => Buffer.from(text).toString('latin1');

/** Whatever shortcuts could stumble over: unreserved or not, escapes of every kind, text around the ends of UTF-16. */
const aPart = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...'abz019-_.~') },
  { weight: 4, arbitrary: fc.constantFrom('&', '=', '&&', '=&', '%', '+', '/', ' ') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('%20', '%2F', '%2f', '%26', '%3D', '%3d', '%25', '%7E', '%61', '%00'),
  },
  { weight: 1, arbitrary: fc.constantFrom('%2', '%zz', '%%', '%C3%A9', '%c3%A9', '%EF%BF%BD', '%EE%80%80') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('%F0%9F%98%80', '%ED%A0%80', '%FF', '%80', '%F4%90%80%80', '%EF%BB%BF'),
  },
  { weight: 1, arbitrary: fc.constantFrom('\u00e9', '\u{1f600}', '\ufffd').map(latin1) },
  { weight: 1, arbitrary: fc.nat(255).map((byte) => String.fromCharCode(byte)) },
  { weight: 1, arbitrary: fc.nat(255).map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`) },
);
const aQuery = fc.array(aPart, { maxLength: 24 }).map((parts) => parts.join(''));

/** Queries in which sorting, decoding and encoding change nothing, or next to nothing. */
const almostCanonical = fc.tuple(aQuery, fc.option(aPart), fc.nat()).map(([query, part, at]) => {
  const canonical = canonicalQueryOf(query);
  if (part === null) return canonical;
  const place = at % (canonical.length + 1);
  return canonical.slice(0, place) + part + canonical.slice(place);
});

/** Many pairs, so that sorting has something to do. */
const manyPairs = fc
  .array(fc.tuple(aPart, aPart, aPart), { minLength: 10, maxLength: 80 })
  .map((pairs) => pairs.map(([name, more, value]) => `${name}${more}=${value}`).join('&'));

describe(`Over ${RUNS} queries each, the same comes out as when the rules are followed step by step`, () => {
  it.each([
    ['any', aQuery],
    ['almost canonical ones', almostCanonical],
    ['ones with many pairs', manyPairs],
  ])(
    '%s',
    (_, queries) => {
      fc.assert(
        fc.property(queries, (query) => {
          expect([query, canonicalQuery(query)]).toEqual([query, canonicalQueryOf(query)]);
          expect([query, dialectQueries(query, canonicalQuery(query))]).toEqual([
            query,
            dialectQueriesOf(query),
          ]);
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT,
  );
});
