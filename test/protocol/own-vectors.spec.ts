import {
  MAuthAuthenticator,
  MAuthSigner,
  type MAuthRequestToSign,
  type MAuthResponseToSign,
} from '../../lib/core.js';
import { readPublicKey, stringToSign, verifySignature, type MAuthVersion } from '../../lib/protocol/index.js';
import { RecordedLog } from '../authentication/recorded-log.js';
import vectors from './own-vectors.json';

const { appUuid, time } = vectors;
const signer = new MAuthSigner({ appUuid, privateKey: vectors.privateKey });
const authenticator = new MAuthAuthenticator({
  appUuid,
  logger: new RecordedLog(),
  findPublicKey: () => vectors.publicKey,
  now: () => time * 1000,
});
const signatureOf = (header: string) => Buffer.from(/:(.*?);?$/.exec(header)?.[1] as string, 'base64');

interface Vector {
  readonly name: string;
  readonly version: MAuthVersion;
  readonly body: Buffer;
  readonly expected: Buffer;
  readonly headers: Record<string, string>;
  readonly message: MAuthRequestToSign | MAuthResponseToSign;
}

const CASES: Vector[] = vectors.cases.map(
  ({ name, version, method, url, status, body, stringToSign: text, headers }) => ({
    name: `V${version}: ${name}`,
    version: version as MAuthVersion,
    body: Buffer.from(body, 'base64'),
    expected: Buffer.from(text, 'base64'),
    headers: headers as unknown as Record<string, string>,
    message:
      status === undefined
        ? { method: method, url: url, body: Buffer.from(body, 'base64') }
        : { status, body: Buffer.from(body, 'base64') },
  }),
);

describe('The vectors of this project', () => {
  it('are 52: 44 requests and 8 responses, half of each in either version', () => {
    const requests = CASES.filter(({ message }) => 'method' in message);
    expect([CASES.length, requests.length, requests.filter(({ version }) => version === 1).length]).toEqual([
      52, 44, 22,
    ]);
  });

  it.each(CASES)('$name has this string to sign', ({ version, message, expected }) => {
    expect(stringToSign(version, { ...message, appUuid, time }).toString('latin1')).toBe(
      expected.toString('latin1'),
    );
  });

  it.each(CASES)('$name is signed with these headers', async ({ version, message, headers }) => {
    const overrides = { time, signVersions: `v${version}` };
    const signed =
      'method' in message ? signer.signRequest(message, overrides) : signer.signResponse(message, overrides);
    expect(await signed).toEqual(headers);
  });

  it.each(CASES)('$name is verified by the primitive', ({ version, expected, headers }) => {
    const [authentication] = Object.values(headers) as [string];
    const key = readPublicKey(vectors.publicKey);
    expect(verifySignature(version, key, expected, signatureOf(authentication))).toBe(true);
    const other = Buffer.concat([expected, Buffer.from('\n')]);
    expect(verifySignature(version, key, other, signatureOf(authentication))).toBe(false);
  });

  it.each(CASES)('$name is authentic', async ({ version, message, headers, body }) => {
    const result =
      'method' in message
        ? authenticator.authenticateRequest({ ...message, headers, body })
        : authenticator.authenticateResponse({ ...message, headers, body });
    expect(await result).toEqual({ authentic: true, appUuid, protocolVersion: version });
  });
});
