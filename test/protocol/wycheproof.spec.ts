import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readPublicKey, verifySignature } from '../../lib/protocol/index.js';
import { describeWithSuites } from '../support/suites.js';

interface Vector {
  name: string;
  expect: 'authentic' | 'inauthentic' | 'either';
  /** Public exponent, hexadecimal. */
  e: string;
  public_key_pem: string;
  message_b64: string;
  signature_b64: string;
}

describeWithSuites(
  'Signatures of Wycheproof (RSASSA-PKCS1-v1_5, SHA-512)',
  'suites/wycheproof-rsa-sha512.json',
  (path) => {
    const { cases } = JSON.parse(readFileSync(path('suites', 'wycheproof-rsa-sha512.json'), 'utf8')) as {
      cases: Vector[];
    };
    const keys = new Map<string, KeyObject>();

    function verify({ public_key_pem: pem, e, message_b64, signature_b64 }: Vector): boolean {
      let key = keys.get(pem);
      // An exponent of 3 is refused by `readPublicKey`; what the primitive says about it is of interest all the same.
      if (!key) keys.set(pem, (key = e === '03' ? createPublicKey(pem) : readPublicKey(pem)));
      return verifySignature(
        2,
        key,
        Buffer.from(message_b64, 'base64'),
        Buffer.from(signature_b64, 'base64'),
      );
    }

    const verdicts = (expected: Vector['expect']) =>
      cases
        .filter((vector) => vector.expect === expected)
        .map((vector) => ({ name: vector.name, accepted: verify(vector) }));

    it('refuses all 752 invalid signatures', () => {
      const invalid = verdicts('inauthentic');
      expect(invalid).toHaveLength(752);
      expect(invalid.filter(({ accepted }) => accepted)).toEqual([]);
    });

    it('accepts all 21 valid signatures', () => {
      const valid = verdicts('authentic');
      expect(valid).toHaveLength(21);
      expect(valid.filter(({ accepted }) => !accepted)).toEqual([]);
    });

    it('refuses a DigestInfo without its NULL, and verifies with an exponent of 3 where a caller insists', () => {
      expect(verdicts('either')).toEqual([
        { name: 'wp-2048-tc8', accepted: false },
        { name: 'wp-2048-tc259', accepted: true },
        { name: 'wp-3072-tc8', accepted: false },
        { name: 'wp-3072-tc260', accepted: true },
        { name: 'wp-4096-tc8', accepted: false },
      ]);
    });

    it('refuses the keys with an exponent of 3 where keys are read', () => {
      const pems = new Set(cases.filter(({ e }) => e === '03').map(({ public_key_pem }) => public_key_pem));
      expect(pems.size).toBe(2);
      for (const pem of pems)
        expect(() => readPublicKey(pem)).toThrow(expect.objectContaining({ code: 'weak_key' }));
    });
  },
);
