import {
  accepted,
  alice,
  authenticationOf,
  bob,
  createWorld,
  NOW,
  OWN_UUID,
  refused,
  REQUEST,
  signedHeaders,
  undecided,
} from './signed-by-hand.js';

const V1 = signedHeaders(1, alice);
const V2 = signedHeaders(2, alice);
const V1_NAME = 'x-mws-authentication';
const V2_NAME = 'mcc-authentication';
const BAD_V2 = { ...V2, [V2_NAME]: authenticationOf(2, alice.appUuid, Buffer.alloc(256, 1)) };
const BAD_V1 = { ...V1, [V1_NAME]: authenticationOf(1, alice.appUuid, Buffer.alloc(256, 1)) };
const mismatch = refused('signature_mismatch');

function authenticate(headers: Record<string, string>, options?: Parameters<typeof createWorld>[0]) {
  return createWorld(options).authenticator.authenticateRequest({ ...REQUEST, headers });
}

describe('V2 beside V1', () => {
  it('counts first', async () => {
    expect(await authenticate({ ...V1, ...V2 })).toEqual(accepted(alice, 2));
  });

  it.each<[string, Record<string, string>]>([
    ['whose signature does not match', BAD_V1],
    ['that is empty', { ...V1, [V1_NAME]: '' }],
    ['that is garbage', { ...V1, [V1_NAME]: 'MWS nonsense', 'x-mws-time': 'never' }],
    ['without a time', { [V1_NAME]: V1[V1_NAME] }],
    ['that is a day old', signedHeaders(1, alice, { time: NOW - 86_400 })],
    ['of another app', signedHeaders(1, bob)],
  ])('is accepted though there is a V1 header %s, which is never looked at', async (_, v1) => {
    expect(await authenticate({ ...v1, ...V2 })).toEqual(accepted(alice, 2));
  });

  it('is refused when neither holds, with the reason of V2', async () => {
    expect(await authenticate({ ...BAD_V1, ...BAD_V2 })).toEqual(mismatch);
    const late = signedHeaders(2, alice, { time: NOW - 301 });
    expect(await authenticate({ ...BAD_V1, ...late })).toEqual(refused('time_out_of_range'));
  });
});

describe('V1 behind a V2 that does not hold', () => {
  it.each<[string, Record<string, string>]>([
    ['its signature does not match', BAD_V2],
    ['it signs another query', signedHeaders(2, alice, { query: 'a=1' })],
    ['it was signed by another app', signedHeaders(2, bob, { appUuid: alice.appUuid })],
    [
      'its signature is no base64, but its UUID can be read',
      { ...V2, [V2_NAME]: `MWSV2 ${alice.appUuid}:*;` },
    ],
    ['its signature is missing', { ...V2, [V2_NAME]: `MWSV2 ${alice.appUuid}:;` }],
    ['its semicolon is missing', { ...V2, [V2_NAME]: V2[V2_NAME].slice(0, -1) }],
    ['its time is missing', { [V2_NAME]: V2[V2_NAME] }],
    ['its time is malformed', { ...V2, 'mcc-time': 'now' }],
    ['its time is out of range', signedHeaders(2, alice, { time: NOW - 301 })],
    [
      'its UUID is in upper case',
      { ...BAD_V2, [V2_NAME]: authenticationOf(2, alice.appUuid.toUpperCase(), 'AAAA') },
    ],
  ])('is accepted when of V2 %s', async (_, v2) => {
    expect(await authenticate({ ...V1, ...v2 })).toEqual(accepted(alice, 1));
  });

  it('is accepted with its UUID in upper case, for it is the same UUID', async () => {
    const v1 = signedHeaders(1, alice, { appUuid: alice.appUuid.toUpperCase() });
    expect(await authenticate({ ...v1, ...BAD_V2 })).toEqual(accepted(alice, 1));
  });

  it('has a time of its own, within the window', async () => {
    const v1 = signedHeaders(1, alice, { time: NOW - 300 });
    expect(await authenticate({ ...v1, ...BAD_V2 })).toEqual(accepted(alice, 1));
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'it is a day old, behind a fresh time of V2',
      signedHeaders(1, alice, { time: NOW - 86_400 }),
      'signature_mismatch',
    ],
    ['it has no time', { [V1_NAME]: V1[V1_NAME] }, 'signature_mismatch'],
    ['its signature does not match', BAD_V1, 'signature_mismatch'],
    ['it is empty', { ...V1, [V1_NAME]: '' }, 'app_uuid_mismatch'],
    ['it is the header of V2', { ...V1, [V1_NAME]: V2[V2_NAME] }, 'app_uuid_mismatch'],
    [
      'it holds the signature of V2',
      { ...V1, [V1_NAME]: V2[V2_NAME].replace('V2', '').slice(0, -1) },
      'signature_mismatch',
    ],
  ])('is refused when %s', async (_, v1, code) => {
    expect(await authenticate({ ...v1, ...BAD_V2 })).toEqual(refused(code));
  });

  it.each<[string, Record<string, string>]>([
    ['and signed by A', signedHeaders(1, alice)],
    ['but signed by B', signedHeaders(1, bob, { appUuid: alice.appUuid })],
  ])('is refused when V2 names B with a bad signature, and V1 names A %s', async (_, v1) => {
    const v2 = { ...BAD_V2, [V2_NAME]: authenticationOf(2, bob.appUuid, Buffer.alloc(256, 1)) };
    expect(await authenticate({ ...v1, ...v2 })).toEqual(refused('app_uuid_mismatch'));
  });

  it('is refused when it is valid for another app than a stale V2 names', async () => {
    const v2 = signedHeaders(2, bob, { time: NOW - 301 });
    expect(await authenticate({ ...V1, ...v2 })).toEqual(refused('app_uuid_mismatch'));
  });

  it.each<[string, string]>([
    ['empty', ''],
    ['a V1 header', V1[V1_NAME]],
    ['in lower case', V2[V2_NAME].toLowerCase()],
    ['two headers in one', `${V2[V2_NAME]}, ${V2[V2_NAME]}`.replace('MWSV2 ', 'MWSV2  ')],
    ['without a UUID', 'MWSV2 :AAAA;'],
  ])('is refused when no UUID can be read from V2, which is %s', async (_, v2) => {
    expect(await authenticate({ ...V1, ...V2, [V2_NAME]: v2 })).toEqual(refused('malformed_headers'));
  });

  it.each([{ v2OnlyAuthenticate: true }, { disableFallbackToV1: true }])(
    'is refused with %p',
    async (options) => {
      expect(await authenticate({ ...V1, ...BAD_V2 }, options)).toEqual(mismatch);
      const late = signedHeaders(2, alice, { time: NOW - 301 });
      expect(await authenticate({ ...V1, ...late }, options)).toEqual(refused('time_out_of_range'));
      expect(await authenticate({ ...V1, ...V2 }, options)).toEqual(accepted(alice, 2));
    },
  );

  it('is refused for a response as it is for a request', async () => {
    const { authenticator } = createWorld();
    const response = { status: 200, headers: { ...V1, ...BAD_V2 }, body: '{}' };
    expect(await authenticator.authenticateResponse(response)).toEqual(mismatch);
  });

  it.each<[string, () => never]>([
    [
      'the key cannot be found',
      () => {
        throw new Error('down');
      },
    ],
  ])('is not tried when %s: what cannot be decided is no reason to fall back', async (_, findPublicKey) => {
    const { authenticator, log } = createWorld({ findPublicKey });
    const result = await authenticator.authenticateRequest({ ...REQUEST, headers: { ...V1, ...BAD_V2 } });
    expect(result).toEqual(undecided('key_lookup_failed'));
    expect(log.lines.filter((line) => line.includes('using version MWS.'))).toEqual([]);
  });

  it('is refused for an app that nobody knows', async () => {
    const stranger = { ...alice, appUuid: OWN_UUID };
    const headers = { ...signedHeaders(1, stranger), ...signedHeaders(2, stranger) };
    expect(await authenticate(headers)).toEqual(refused('unknown_app'));
  });
});

describe('V1 alone', () => {
  it('is accepted', async () => {
    expect(await authenticate(V1)).toEqual(accepted(alice, 1));
  });

  it('is accepted beside a lone V2 time, which is nothing', async () => {
    expect(await authenticate({ ...V1, 'mcc-time': 'x' })).toEqual(accepted(alice, 1));
  });

  it('is accepted where only the fallback is disabled', async () => {
    expect(await authenticate(V1, { disableFallbackToV1: true })).toEqual(accepted(alice, 1));
  });

  it.each<[string, Record<string, string>]>([
    ['good', V1],
    ['bad', BAD_V1],
    ['malformed', { [V1_NAME]: 'x' }],
  ])('is refused as a missing V2 where V2 is required, be it %s', async (_, headers) => {
    expect(await authenticate(headers, { v2OnlyAuthenticate: true })).toEqual(refused('missing_v2'));
  });

  it('is no missing V2 where there is nothing at all', async () => {
    expect(await authenticate({}, { v2OnlyAuthenticate: true })).toEqual(refused('missing_headers'));
  });

  it('is not missing where V2 stands alone', async () => {
    expect(await authenticate(V2)).toEqual(accepted(alice, 2));
    expect(await authenticate({ ...V2, 'x-mws-time': 'x' })).toEqual(accepted(alice, 2));
  });
});
