import { constants, createHash, createPrivateKey, createPublicKey, privateEncrypt, sign } from 'node:crypto';
import { MAuthAuthenticator, type MAuthOptions } from '../../lib/core.js';
import { type TestApp } from '../support/test-app.js';
import apps from './apps.json';
import { RecordedLog } from './recorded-log.js';

/** Seconds since 1970; what the clocks of these tests show. */
export const NOW = 1_763_700_000;

export const OWN_UUID = '00000000-0000-4000-8000-00000000000a';

export type Version = 1 | 2;

/** Names of a version's headers, in lower case. */
export const NAMES = {
  1: { authentication: 'x-mws-authentication', time: 'x-mws-time' },
  2: { authentication: 'mcc-authentication', time: 'mcc-time' },
} as const;

export const sha512 = (bytes: string | Uint8Array) => createHash('sha512').update(bytes).digest('hex');

/** The signature of a version over any text at all: unlike the signer, this signs what nobody should. */
export function signatureOf(version: Version, { privateKey }: TestApp, text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string, 'utf8');
  if (version === 2) return sign('sha512', bytes, privateKey);
  return privateEncrypt(
    { key: privateKey, padding: constants.RSA_PKCS1_PADDING },
    Buffer.from(sha512(bytes)),
  );
}

/** The value of a version's authentication header. */
export function authenticationOf(version: Version, appUuid: string, signature: Buffer | string): string {
  const base64 = typeof signature === 'string' ? signature : signature.toString('base64');
  return version === 1 ? `MWS ${appUuid}:${base64}` : `MWSV2 ${appUuid}:${base64};`;
}

export interface RequestParts {
  method?: string;
  /** As it stands in the string to sign. */
  path?: string;
  /** As it stands in a V2 string to sign. */
  query?: string;
  body?: string;
  appUuid?: string;
  time?: string | number;
}

/** The string to sign, put together from its parts without any check. */
export function textOf(version: Version, parts: Required<RequestParts>): string {
  const { method, path, query, body, appUuid, time } = parts;
  if (version === 1) return `${method}\n${path}\n${body}\n${appUuid}\n${time}`;
  return `${method}\n${path}\n${sha512(body)}\n${appUuid}\n${time}\n${query}`;
}

/** Headers of a version over these parts, signed by an app, whatever the parts are. */
export function signedHeaders(
  version: Version,
  app: TestApp,
  parts: RequestParts = {},
): Record<string, string> {
  const { appUuid = app.appUuid, time = NOW } = parts;
  const complete = { method: 'POST', path: '/studies', query: '', body: '{}', ...parts, appUuid, time };
  const signature = signatureOf(version, app, textOf(version, complete));
  return {
    [NAMES[version].authentication]: authenticationOf(version, appUuid, signature),
    [NAMES[version].time]: String(time),
  };
}

/** The request that `signedHeaders` signs unless it is told otherwise. */
export const REQUEST = { method: 'POST', url: '/studies', body: '{}' } as const;

/** A world of a few apps: an authenticator that knows them, its log, and whose keys it asked for. */
export function createWorld(options: Partial<MAuthOptions> = {}, known = [alice, bob]) {
  const log = new RecordedLog();
  const asked: string[] = [];
  const authenticator = new MAuthAuthenticator({
    appUuid: OWN_UUID,
    logger: log,
    now: () => NOW * 1000,
    findPublicKey: (appUuid) => {
      asked.push(appUuid);
      return known.find((app) => app.appUuid === appUuid)?.publicKey;
    },
    ...options,
  });
  return { authenticator, log, asked };
}

export const alice = knownApp(apps.alice);
export const bob = knownApp(apps.bob);

/** An app whose key is always the same, so that its signatures are, too: what a property test finds can be found again. */
function knownApp({ appUuid, privateKeyPem }: { appUuid: string; privateKeyPem: string }): TestApp {
  const privateKey = createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey);
  const publicKeyPem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return { appUuid, privateKey, publicKey, publicKeyPem, privateKeyPem };
}

export const refused = (code: string) => ({ authentic: false, status: 401, code });
export const undecided = (code: string) => ({ authentic: false, status: 503, code });
export const accepted = (app: TestApp, protocolVersion: Version) => ({
  authentic: true,
  appUuid: app.appUuid,
  protocolVersion,
});
