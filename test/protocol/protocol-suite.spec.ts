import { createPublicKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAuthAuthenticator, MAuthSigner, type MAuthRequestToAuthenticate } from '../../lib/core.js';
import { stringToSign, type MAuthVersion } from '../../lib/protocol/index.js';
import { describeWithSuites } from '../support/suites.js';
import { createTestApp } from '../support/test-app.js';

describeWithSuites('The public protocol test suite', 'suites/mauth-protocol-test-suite', (path) => {
  const suite = path('suites', 'mauth-protocol-test-suite');
  const config = JSON.parse(readFileSync(join(suite, 'signing-config.json'), 'utf8'));
  const publicKey = readFileSync(join(suite, 'signing-params', 'rsa-key-pub'), 'utf8');
  const appUuid: string = config.app_uuid;
  const time: number = config.request_time;
  const signer = new MAuthSigner({ appUuid, privateKeyFile: join(suite, 'signing-params', 'rsa-key') });
  const at = (seconds: number) =>
    new MAuthAuthenticator({
      appUuid,
      logAttempts: false,
      logger: { log() {}, warn() {}, error() {} },
      findPublicKey: (uuid) => (uuid === appUuid ? createPublicKey(publicKey) : undefined),
      now: () => seconds * 1000,
    });
  const authenticator = at(time);

  describe.each([
    ['MWS', 1, 'v1', 5, 5, 4],
    ['MWSV2', 2, 'v2', 19, 18, 18],
  ] as const)('%s', (folder, version, signVersions, verifying, signing, strings) => {
    const cases = readdirSync(join(suite, 'protocols', folder)).map((name) =>
      readCase(join(suite, 'protocols', folder), name),
    );

    it(`has ${verifying} cases to verify, ${signing} to sign, ${strings} strings to sign`, () => {
      const toSign = cases.filter(({ decoded }) => !decoded);
      expect([cases.length, toSign.length, toSign.filter(({ sts }) => sts).length]).toEqual([
        verifying,
        signing,
        strings,
      ]);
    });

    it.each(cases.filter(({ decoded }) => !decoded))('signs $name', async ({ request, headers, sts }) => {
      if (sts) expect(stringToSign(version, { ...request, appUuid, time })).toEqual(sts);
      expect(await signer.signRequest(request, { time, signVersions })).toEqual(headers);
    });

    it.each(cases)('accepts $name', async ({ request, headers }) => {
      const result = await authenticator.authenticateRequest({ ...request, headers });
      expect(result).toEqual({ authentic: true, appUuid, protocolVersion: version });
    });

    it.each(cases)('refuses $name after tampering', async ({ request, headers }) => {
      const signed = { ...request, headers };
      const other = await new MAuthSigner({ appUuid, privateKey: otherKey() }).signRequest(request, {
        time,
        signVersions,
      });
      const forgeries: Record<string, MAuthRequestToAuthenticate> = {
        body: { ...signed, body: Buffer.concat([Buffer.from(signed.body ?? ''), Buffer.from('x')]) },
        method: { ...signed, method: 'PUT' },
        path: { ...signed, url: signed.url.replace(/^[^?]*/, '$&x') },
        time: { ...signed, headers: { ...headers, [timeName(version)]: String(time + 1) } },
        key: { ...signed, headers: other },
        ...(version === 2 && {
          query: { ...signed, url: `${signed.url}${signed.url.includes('?') ? '&' : '?'}x=1` },
        }),
      };
      for (const [part, forgery] of Object.entries(forgeries)) {
        expect([part, await authenticator.authenticateRequest(forgery)]).toEqual([
          part,
          { authentic: false, status: 401, code: 'signature_mismatch' },
        ]);
      }
    });

    it.each([-301, 301])('refuses a message of %i seconds from now', async (drift) => {
      const [{ request, headers }] = cases as [(typeof cases)[number]];
      const result = await at(time + drift).authenticateRequest({ ...request, headers });
      expect(result).toMatchObject({ authentic: false, code: 'time_out_of_range' });
    });
  });
});

let other: string | undefined;
function otherKey(): string {
  return (other ??= createTestApp().privateKeyPem);
}

function timeName(version: MAuthVersion): string {
  return version === 1 ? 'X-MWS-Time' : 'MCC-Time';
}

function readCase(folder: string, name: string) {
  const file = (extension: string) => join(folder, name, `${name}.${extension}`);
  const { verb, url, body, body_filepath } = JSON.parse(readFileSync(file('req'), 'utf8'));
  const authz: Record<string, string | number> = JSON.parse(readFileSync(file('authz'), 'utf8'));
  const bytes = body_filepath ? readFileSync(join(folder, name, body_filepath)) : (body as string | null);
  return {
    name,
    request: { method: verb as string, url: url as string, body: bytes },
    headers: Object.fromEntries(Object.entries(authz).map(([header, value]) => [header, String(value)])),
    sts: existsSync(file('sts')) ? readFileSync(file('sts')) : undefined,
    /** The URL was decoded on its way: such a request can be verified, but not signed. */
    decoded: name === 'authentication-only-after-decoding',
  };
}
