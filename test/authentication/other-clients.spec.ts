import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MAuthAuthenticator, MAuthSigner } from '../../lib/core.js';
import { requestsOfOtherClients, type SignedRequest, type Vectors } from '../support/other-clients.js';
import { describeWithSuites } from '../support/suites.js';
import { RecordedLog } from './recorded-log.js';

interface SignedResponse {
  version: 1 | 2;
  status: number;
  body_b64: string;
  time: number;
  headers: Record<string, string>;
}

const REFUSED = { authentic: false, status: 401, code: 'signature_mismatch' };

function authenticatorFor(
  { app_uuid, public_key_pem }: Vectors<unknown>,
  seconds: number,
): MAuthAuthenticator {
  const publicKey = createPublicKey(public_key_pem);
  return new MAuthAuthenticator({
    appUuid: '00000000-0000-4000-8000-000000000000',
    logger: new RecordedLog(),
    findPublicKey: (appUuid) => (appUuid === app_uuid ? publicKey : undefined),
    now: () => seconds * 1000,
  });
}

describeWithSuites('Requests signed by other clients', 'vectors/signed-by-other-clients.json', (path) => {
  const vectors = requestsOfOtherClients(path);
  const authenticator = authenticatorFor(vectors, vectors.cases[0].now);

  const authenticate = ({ method, url, headers, body_b64 }: SignedRequest) =>
    authenticator.authenticateRequest({ method, url, headers, body: Buffer.from(body_b64, 'base64') });

  const cases = (choose: (request: SignedRequest) => boolean) =>
    vectors.cases
      .filter(choose)
      .map(
        (request) => [`${request.by} V${request.version} ${request.method} ${request.url}`, request] as const,
      );

  function accepts(requests: ReturnType<typeof cases>): void {
    it.each(requests)('%s', async (_, request) => {
      expect(await authenticate(request)).toEqual({
        authentic: true,
        appUuid: vectors.app_uuid,
        protocolVersion: request.version,
      });
    });
  }

  function refuses(requests: ReturnType<typeof cases>): void {
    it.each(requests)('%s', async (_, request) => {
      expect(await authenticate(request)).toEqual(REFUSED);
    });
  }

  const asRuby = cases(({ matches_ruby }) => matches_ruby);
  const otherwise = cases(({ matches_ruby }) => !matches_ruby);
  const by = (client: SignedRequest['by'], version: 1 | 2) =>
    otherwise.filter(([, request]) => request.by === client && request.version === version);
  const hasParameters = ([, { url }]: (typeof otherwise)[number]) => url.includes(';v=');

  it('has 150 requests that are signed as Ruby signs, and 50 that are not', () => {
    expect([asRuby.length, otherwise.length]).toEqual([150, 50]);
    expect([by('python', 2).length, by('java', 2).length]).toEqual([10, 1]);
    expect([by('go', 1).length, by('go', 2).length]).toEqual([18, 21]);
  });

  describe('accepts what is signed as Ruby signs', () => accepts(asRuby));

  describe('accepts Python where it leaves slashes in the query, and where it keeps a trailing empty piece', () =>
    accepts(by('python', 2).filter((request) => !hasParameters(request))));

  describe('accepts Java where it drops an empty piece', () => accepts(by('java', 2)));

  describe('refuses Python where it drops the parameters of the last path segment', () =>
    refuses(by('python', 2).filter(hasParameters)));

  describe('refuses the V2 of Go on its own, which escapes twice', () => refuses(by('go', 2)));

  describe('refuses the V1 of Go where it signs a decoded path', () => refuses(by('go', 1)));
});

describeWithSuites('Responses signed by Ruby', 'vectors/responses-signed-by-ruby.json', (path) => {
  const vectors = JSON.parse(
    readFileSync(path('vectors', 'responses-signed-by-ruby.json'), 'utf8'),
  ) as Vectors<SignedResponse>;
  const signer = new MAuthSigner({ appUuid: vectors.app_uuid, privateKey: vectors.private_key_pem });
  const authenticator = authenticatorFor(vectors, vectors.cases[0].time);
  const cases = vectors.cases.map(({ body_b64, ...rest }, index) => ({
    ...rest,
    name: `${index + 1}: V${rest.version} ${rest.status}`,
    body: Buffer.from(body_b64, 'base64'),
  }));

  it('are 24, of both versions', () => {
    expect(cases).toHaveLength(24);
    expect(new Set(cases.map(({ version }) => version))).toEqual(new Set([1, 2]));
  });

  it.each(cases)('$name is reproduced byte for byte', async ({ version, status, body, time, headers }) => {
    const signed = await signer.signResponse({ status, body }, { time, signVersions: `v${version}` });
    expect(signed).toEqual(headers);
  });

  it.each(cases)('$name is accepted', async ({ version, status, body, headers }) => {
    expect(await authenticator.authenticateResponse({ status, headers, body })).toEqual({
      authentic: true,
      appUuid: vectors.app_uuid,
      protocolVersion: version,
    });
  });

  it.each(cases)('$name is refused after tampering', async ({ version, status, body, time, headers }) => {
    const [authentication, timeName] =
      version === 1 ? ['X-MWS-Authentication', 'X-MWS-Time'] : ['MCC-Authentication', 'MCC-Time'];
    const response = { status, headers, body };
    const forgeries = {
      status: { ...response, status: status + 1 },
      body: { ...response, body: Buffer.concat([body, Buffer.from('\n')]) },
      time: { ...response, headers: { ...headers, [timeName]: String(time + 1) } },
    };
    for (const [part, forgery] of Object.entries(forgeries)) {
      expect([part, await authenticator.authenticateResponse(forgery)]).toEqual([part, REFUSED]);
    }
    const other = '00000000-0000-4000-8000-000000000001';
    const renamed = headers[authentication]?.replace(vectors.app_uuid, other);
    const stolen = { ...response, headers: { ...headers, [authentication]: renamed } };
    expect(await authenticator.authenticateResponse(stolen)).toMatchObject({
      authentic: false,
      code: 'unknown_app',
    });
  });

  it('is refused where a key is found for the app that the header was rewritten to', async () => {
    const publicKey = createPublicKey(vectors.public_key_pem);
    const gullible = new MAuthAuthenticator({
      appUuid: '00000000-0000-4000-8000-000000000000',
      logger: new RecordedLog(),
      findPublicKey: () => publicKey,
      now: () => 1000 * vectors.cases[0].time,
    });
    for (const { status, body, headers } of cases) {
      const renamed = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [
          name,
          value.replace(vectors.app_uuid, '0'.repeat(8) + vectors.app_uuid.slice(8)),
        ]),
      );
      expect(await gullible.authenticateResponse({ status, headers: renamed, body })).toEqual(REFUSED);
    }
  });
});
