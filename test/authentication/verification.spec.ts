import { type KeyObject } from 'node:crypto';
import { type AuthenticatorParts } from '../../lib/authentication/authenticator-parts.js';
import { MAuthAuthenticator, MAuthUnableToAuthenticateError, type MAuthOptions } from '../../lib/core.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { createTestApp } from '../support/test-app.js';
import { RecordedLog } from './recorded-log.js';
import {
  accepted,
  alice,
  authenticationOf,
  bob,
  NOW,
  OWN_UUID,
  refused,
  REQUEST,
  signedHeaders,
  undecided,
  type Version,
} from './signed-by-hand.js';

type PublicKeys = NonNullable<AuthenticatorParts['keys']>;

function authenticatorOf(
  keys: Partial<PublicKeys> | undefined,
  more: Partial<AuthenticatorParts> = {},
  options: Partial<MAuthOptions> = {},
) {
  const log = new RecordedLog();
  const settings = resolveSettings({
    appUuid: OWN_UUID,
    privateKey: 'not looked at',
    logger: log,
    now: () => NOW * 1000,
    ...options,
  });
  const complete = keys && {
    find: () => alice.publicKey,
    findNewer: () => Promise.resolve(undefined),
    noteVerified: () => undefined,
    ...keys,
  };
  return { authenticator: new MAuthAuthenticator({ settings, keys: complete, ...more }), log };
}

const headers = signedHeaders(2, alice);
const both = { ...signedHeaders(1, alice), ...headers };
const bad = { ...headers, 'mcc-authentication': authenticationOf(2, alice.appUuid, Buffer.alloc(256, 1)) };

describe('The look-up of a key', () => {
  it.each<[string, () => ReturnType<PublicKeys['find']>]>([
    ['at hand', () => alice.publicKey],
    ['promised', () => Promise.resolve(alice.publicKey)],
  ])('may answer a key that is %s', async (_, find) => {
    const { authenticator } = authenticatorOf({ find });
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(accepted(alice, 2));
  });

  it.each<[string, () => ReturnType<PublicKeys['find']>]>([
    ['at once', () => undefined],
    ['later', () => Promise.resolve(undefined)],
  ])('may answer %s that there is no such app', async (_, find) => {
    const { authenticator } = authenticatorOf({ find });
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(refused('unknown_app'));
  });

  const known = new MAuthUnableToAuthenticateError('service_unavailable', 'down');

  it.each<[string, () => ReturnType<PublicKeys['find']>, string]>([
    ['rejects with a reason', () => Promise.reject(known), 'service_unavailable'],
    [
      'throws with a reason',
      () => {
        throw known;
      },
      'service_unavailable',
    ],
    ['rejects with any error', () => Promise.reject(new Error('x')), 'key_lookup_failed'],
    [
      'throws any error',
      () => {
        throw new Error('x');
      },
      'key_lookup_failed',
    ],
  ])('that %s leaves authenticity undecided', async (_, find, code) => {
    const { authenticator } = authenticatorOf({ find });
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(undecided(code));
  });

  it('leaves authenticity undecided where there is no source of keys', async () => {
    const { authenticator } = authenticatorOf(undefined);
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      undecided('not_configured'),
    );
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers: {} })).toEqual(
      refused('missing_headers'),
    );
  });

  it('costs no turn of the event loop when the key is at hand', () => {
    const { authenticator } = authenticatorOf({});
    const verification = authenticator.beginRequest({ ...REQUEST, headers });
    expect(verification.prepare()).toBeUndefined();
    verification.verifier.update(Buffer.from(REQUEST.body));
    expect(verification.conclude()).toEqual(accepted(alice, 2));
  });
});

describe('A signature that does not match', () => {
  const newer = createTestApp(alice.appUuid);
  const withNewer = (version: Version) => ({ ...REQUEST, headers: signedHeaders(version, newer) });

  it.each([1, 2] as const)('is tried once more with a newer key of the app (V%i)', async (version) => {
    const asked: [string, KeyObject][] = [];
    const findNewer: PublicKeys['findNewer'] = (appUuid, used) => {
      asked.push([appUuid, used]);
      return Promise.resolve(newer.publicKey);
    };
    const { authenticator, log } = authenticatorOf({ findNewer });
    expect(await authenticator.authenticateRequest(withNewer(version))).toEqual(accepted(alice, version));
    expect(asked).toStrictEqual([[alice.appUuid, alice.publicKey]]);
    expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([]);
  });

  it.each<[string, () => Promise<KeyObject | undefined>]>([
    ['none', () => Promise.resolve(undefined)],
    ['another that does not match', () => Promise.resolve(bob.publicKey)],
    ['one that cannot be told', () => Promise.reject(new Error('down'))],
  ])('stays inauthentic when the newer key is %s', async (_, findNewer) => {
    const { authenticator } = authenticatorOf({ findNewer });
    expect(await authenticator.authenticateRequest(withNewer(2))).toEqual(refused('signature_mismatch'));
  });

  it('falls back to V1 with a newer key too', async () => {
    const { authenticator } = authenticatorOf({ findNewer: () => Promise.resolve(newer.publicKey) });
    const request = { ...REQUEST, headers: { ...bad, ...signedHeaders(1, newer) } };
    expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, 1));
  });

  it('is the only reason to ask for a newer key', async () => {
    const findNewer = jest.fn();
    const { authenticator } = authenticatorOf({ findNewer });
    await authenticator.authenticateRequest({ ...REQUEST, headers });
    await authenticator.authenticateRequest({ ...REQUEST, headers: {} });
    expect(findNewer).not.toHaveBeenCalled();
  });
});

describe('A body that arrives in chunks', () => {
  it.each([1, 2] as const)('is hashed as it arrives (V%i)', async (version) => {
    const { authenticator } = authenticatorOf({});
    const verification = authenticator.beginRequest({
      ...REQUEST,
      headers: signedHeaders(version, alice, { body: 'abcdef' }),
    });
    expect(verification.rejected).toBeUndefined();
    const chunk = Buffer.alloc(2);
    for (const part of ['ab', 'cd', 'ef']) {
      chunk.write(part); // the chunk is reused
      verification.verifier.update(chunk);
    }
    expect(await verification.prepare()).toBeUndefined();
    expect(await verification.conclude()).toEqual(accepted(alice, version));
  });

  it.each([1, 2] as const)('may come as a whole, and then it is that and no more (V%i)', async (version) => {
    const { authenticator } = authenticatorOf({});
    const verdictOf = async (body: string, ...chunks: string[]) => {
      const signed = signedHeaders(version, alice, { body });
      const verification = authenticator.beginRequest({ ...REQUEST, headers: signed });
      for (const chunk of chunks) verification.verifier.update(Buffer.from(chunk), true);
      expect(await verification.prepare()).toBeUndefined();
      return verification.conclude();
    };
    expect(await verdictOf('abc', 'abc')).toEqual(accepted(alice, version));
    expect(await verdictOf('abc', 'abd')).toEqual(refused('signature_mismatch'));
    for (const body of ['abc', 'd', ''])
      expect(await verdictOf(body, 'abc', 'd')).toEqual(refused('signature_mismatch'));
  });

  it('need not be looked at when the request is refused by its head', async () => {
    const { authenticator } = authenticatorOf({});
    const verification = authenticator.beginRequest({ ...REQUEST, url: '*', headers });
    expect(verification.rejected).toEqual(refused('malformed_request'));
    verification.verifier.update(Buffer.from('x'));
    expect(await verification.prepare()).toEqual(refused('malformed_request'));
  });

  it('cannot be concluded upon before a key is found', () => {
    const { authenticator } = authenticatorOf({});
    const verification = authenticator.beginRequest({ ...REQUEST, headers });
    expect(() => verification.conclude()).toThrow('conclude() comes after prepare()');
  });
});

describe('In remote mode', () => {
  type Tickets = NonNullable<AuthenticatorParts['tickets']>;
  type Ticket = Parameters<Tickets['isAuthentic']>[0];

  function remote(answer: (ticket: Ticket) => boolean | Promise<boolean>, options?: Partial<MAuthOptions>) {
    const asked: Ticket[] = [];
    const bodies: Parameters<Tickets['isAuthentic']>[1][] = [];
    const tickets: Tickets = {
      isAuthentic: async (ticket, body) => {
        asked.push(ticket);
        bodies.push(body);
        return answer(ticket);
      },
    };
    return { ...authenticatorOf({}, { tickets }, options), asked, bodies };
  }

  const signature = (of: Record<string, string>, name: string) => /:(.*?);?$/.exec(of[name])?.[1];

  it('the MAuth service is asked about V2 with the query as sent', async () => {
    const { authenticator, asked, bodies, log } = remote(() => true);
    const request = { method: 'POST', url: '/a%2fb/../c?z=1&a=%2F', headers, body: Buffer.from([0, 255]) };
    expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, 2));
    expect(asked).toStrictEqual([
      {
        verb: 'POST',
        app_uuid: alice.appUuid,
        client_signature: signature(headers, 'mcc-authentication'),
        request_url: '/a%2fb/../c',
        request_time: String(NOW),
        query_string: 'z=1&a=%2F',
        token: 'MWSV2',
      },
    ]);
    expect(bodies).toEqual([[Buffer.from([0, 255])]]);
    expect(log.lines).toHaveLength(1);
  });

  it('it is asked about V1 without query and token', async () => {
    const { authenticator, asked } = remote(() => true);
    const v1 = signedHeaders(1, alice);
    const request = { method: 'GET', url: '/a?b', headers: v1, body: null };
    expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, 1));
    expect(asked).toStrictEqual([
      {
        verb: 'GET',
        app_uuid: alice.appUuid,
        client_signature: signature(v1, 'x-mws-authentication'),
        request_url: '/a',
        request_time: String(NOW),
      },
    ]);
  });

  it('it is asked about V1 only after it has refused V2', async () => {
    const { authenticator, asked, log } = remote(({ token }) => token === undefined);
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers: both })).toEqual(
      accepted(alice, 1),
    );
    expect(asked.map(({ token }) => token)).toEqual(['MWSV2', undefined]);
    expect(log.lines.at(-1)).toBe('warn: Completed successful authentication attempt after fallback to v1');
  });

  it('what it refuses is refused', async () => {
    const { authenticator, asked } = remote(() => false);
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers: both })).toEqual(
      refused('signature_mismatch'),
    );
    expect(asked).toHaveLength(2);
  });

  it.each([
    [new MAuthUnableToAuthenticateError('too_many_lookups', 'busy'), 'too_many_lookups'],
    [new Error('x'), 'service_unavailable'],
  ])('what it cannot decide stays undecided, without a fallback: %s', async (error, code) => {
    const { authenticator, asked } = remote(() => Promise.reject(error));
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers: both })).toEqual(undecided(code));
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['path', '/caf\u00e9'],
    ['query', '/cafe?\u00e9'],
  ])('it is not asked about a %s that is no text, for that cannot be told in JSON', async (_, url) => {
    const { authenticator, asked } = remote(() => true);
    expect(await authenticator.authenticateRequest({ ...REQUEST, url, headers })).toEqual(
      refused('malformed_request'),
    );
    expect(asked).toStrictEqual([]);
  });

  it.each([
    ['headers', { headers: {} }, 'missing_headers'],
    ['time', { headers: { ...headers, 'mcc-time': '1' } }, 'time_out_of_range'],
    ['target', { url: '*' }, 'malformed_request'],
  ])('it is not asked about malformed %s', async (_, change, code) => {
    const { authenticator, asked, log } = remote(() => true);
    const verification = authenticator.beginRequest({ ...REQUEST, headers, ...change });
    verification.verifier.update(Buffer.from('x'));
    expect(await verification.prepare()).toEqual(refused(code));
    expect(asked).toStrictEqual([]);
    expect(log.lines.at(-1)).toContain(`(${code})`);
  });

  it('it gets the very chunks that were given, without a copy', async () => {
    const { authenticator, bodies } = remote(() => true);
    const verification = authenticator.beginRequest({ ...REQUEST, headers });
    const chunks = [Buffer.from('ab'), Buffer.from('cd')];
    for (const chunk of chunks) verification.verifier.update(chunk);
    expect(await verification.prepare()).toBeUndefined();
    await verification.conclude();
    expect(bodies).toHaveLength(1);
    for (const [index, chunk] of chunks.entries()) expect(bodies[0]?.[index]).toBe(chunk);
  });

  it('responses are verified here all the same', async () => {
    const { authenticator, asked } = remote(() => true);
    const response = { status: 200, headers: bad, body: '' };
    expect(await authenticator.authenticateResponse(response)).toEqual(refused('signature_mismatch'));
    expect(asked).toStrictEqual([]);
  });
});
