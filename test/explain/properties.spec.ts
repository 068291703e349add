import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { explainRequest } from '../../lib/explain/index.js';
import { requestsOfOtherClients, type SignedRequest } from '../support/other-clients.js';
import { describeWithSuites } from '../support/suites.js';

const APP = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const RUNS = process.env.MAUTH_TEST_ALL === 'true' ? 10_000 : 1000;

describe('Whatever a request holds', () => {
  const signature = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    fc.constant(Buffer.alloc(256, 1).toString('base64')),
  );
  const authentication = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .tuple(fc.constantFrom('MWS', 'MWSV2'), signature, fc.constantFrom('', ';'))
      .map(([token, text, end]) => `${token} ${APP}:${text}${end}`),
  );
  const headers = fc.oneof(
    fc.anything(),
    fc.record(
      {
        'mcc-authentication': authentication,
        'mcc-time': fc.oneof(fc.string(), fc.nat().map(String)),
        'x-mws-authentication': authentication,
        'x-mws-time': fc.oneof(fc.string(), fc.nat().map(String)),
        host: fc.anything(),
      },
      { requiredKeys: [] },
    ),
  );

  it('explaining never throws, and never calls an unsigned request authentic', () => {
    fc.assert(
      fc.property(
        fc.record({
          method: fc.anything(),
          url: fc.oneof(fc.anything(), fc.webPath(), fc.string({ unit: 'binary' })),
          headers,
          body: fc.anything(),
          now: fc.anything(),
          expected: fc.anything(),
        }),
        fc.record({
          prefixes: fc.array(fc.string()),
          hosts: fc.array(fc.string()),
          queries: fc.array(fc.string()),
        }),
        (request, hints) => {
          const { verdict } = explainRequest({ ...request, publicKey } as never, hints);
          expect(verdict).not.toBe('authentic');
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('signatures of other keys are never explained by anything else', () => {
    const allowed = ['other_key', 'key_size', 'padding_pss'];
    for (let run = 0; run < RUNS; run++) {
      const bytes = randomBytes(run % 10 === 0 ? 384 : 256);
      bytes[0] &= 0x7f;
      const { verdict, causes } = explainRequest({
        method: 'POST',
        url: '/a?b=c',
        headers:
          run % 2
            ? { 'mcc-authentication': `MWSV2 ${APP}:${bytes.toString('base64')};`, 'mcc-time': '1763700000' }
            : {
                'x-mws-authentication': `MWS ${APP}:${bytes.toString('base64')}`,
                'x-mws-time': '1763700000',
              },
        body: 'x',
        publicKey,
      });
      expect(verdict).toBe('other_key');
      expect(causes.filter(({ code }) => !allowed.includes(code))).toEqual([]);
    }
  });
});

describeWithSuites(
  'Requests of clients in other languages',
  'vectors/signed-by-other-clients.json',
  (path) => {
    const { public_key_pem, cases } = requestsOfOtherClients(path);
    const explain = ({ method, url, body_b64, headers, now, version }: SignedRequest) =>
      explainRequest(
        {
          method,
          url,
          headers,
          body: Buffer.from(body_b64, 'base64'),
          publicKey: public_key_pem,
          now: now * 1000,
        },
        { version },
      );

    it('are authentic where they sign as Ruby does', () => {
      const same = cases.filter((one) => one.matches_ruby);
      expect(same.length).toBeGreaterThan(50);
      for (const one of same)
        expect([one.by, one.url, explain(one).verdict]).toEqual([one.by, one.url, 'authentic']);
    });

    it('are authentic or explained where they do not', () => {
      const others = cases.filter((one) => !one.matches_ruby);
      expect(others.length).toBeGreaterThan(5);
      const open = others
        .map((one) => [one.by, one.version, one.url, explain(one).verdict] as const)
        .filter(([, , , verdict]) => verdict !== 'authentic' && verdict !== 'explained');
      expect(open).toEqual([]);
    });
  },
);
