import {
  alice,
  authenticationOf,
  bob,
  createWorld,
  NOW,
  OWN_UUID,
  REQUEST,
  signedHeaders,
} from './signed-by-hand.js';

const ATTEMPT = 'log: Mauth-client attempting to authenticate request from app with mauth app uuid';
const V1 = signedHeaders(1, alice);
const V2 = signedHeaders(2, alice);
const BAD_V2 = { ...V2, 'mcc-authentication': authenticationOf(2, alice.appUuid, Buffer.alloc(256, 1)) };

async function linesOf(
  headers: Record<string, string>,
  request: Record<string, unknown> = {},
  options?: Parameters<typeof createWorld>[0],
): Promise<string[]> {
  const { authenticator, log } = createWorld(options);
  await authenticator.authenticateRequest({ ...REQUEST, headers, ...request });
  return log.lines;
}

describe('The log of an authentication', () => {
  it('says who attempts what, in the wording that all clients share', async () => {
    expect(await linesOf(V2)).toEqual([
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWSV2.`,
    ]);
    expect(await linesOf(V1)).toEqual([
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWS.`,
    ]);
  });

  it('says [none provided] where nothing is provided', async () => {
    expect(await linesOf({})).toEqual([
      `${ATTEMPT} [none provided] to app with mauth app uuid ${OWN_UUID} using version [none provided].`,
      'warn: MAuth: POST /studies from app [none provided] is inauthentic (missing_headers)',
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ['a V2 header', { 'mcc-authentication': 'x' }],
    ['an empty V2 header', { 'mcc-authentication': '' }],
    ['a V2 header that holds the token and no UUID', { 'mcc-authentication': 'MWSV2 x:eA==;' }],
    ['a V2 header with the token of V1', { ...V2, 'mcc-authentication': V1['x-mws-authentication'] }],
    ['a V2 header beside a good V1 header', { ...V1, 'mcc-authentication': 'x' }],
    ['a V1 header', { 'x-mws-authentication': 'x' }],
    ['a V1 header that holds the token and no UUID', { 'x-mws-authentication': 'MWS x:eA==' }],
  ])(
    'says [none provided] for app and version alike where no app can be read from %s',
    async (_, headers) => {
      expect(await linesOf(headers)).toEqual([
        `${ATTEMPT} [none provided] to app with mauth app uuid ${OWN_UUID} using version [none provided].`,
        'warn: MAuth: POST /studies from app [none provided] is inauthentic (malformed_headers)',
      ]);
    },
  );

  it('names app and version where the app can be read and the signature cannot', async () => {
    expect(await linesOf({ ...V2, 'mcc-authentication': `MWSV2 ${alice.appUuid}:x` })).toEqual([
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWSV2.`,
      `warn: MAuth: POST /studies from app ${alice.appUuid} is inauthentic (malformed_headers)`,
    ]);
  });

  it('says which version was tried first, and that the fallback succeeded', async () => {
    expect(await linesOf({ ...V1, ...BAD_V2 })).toEqual([
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWSV2.`,
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWS.`,
      'warn: Completed successful authentication attempt after fallback to v1',
    ]);
  });

  it('says the same of a V2 whose time is over, behind which V1 holds', async () => {
    const late = signedHeaders(2, alice, { time: NOW - 301 });
    expect(await linesOf({ ...V1, ...late })).toEqual([
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWSV2.`,
      `${ATTEMPT} ${alice.appUuid} to app with mauth app uuid ${OWN_UUID} using version MWS.`,
      'warn: Completed successful authentication attempt after fallback to v1',
    ]);
  });

  it('says why a request was refused, with a stable code', async () => {
    expect((await linesOf(BAD_V2)).slice(1)).toEqual([
      `warn: MAuth: POST /studies from app ${alice.appUuid} is inauthentic (signature_mismatch: other_key)`,
    ]);
    expect((await linesOf(signedHeaders(1, bob, { appUuid: OWN_UUID }))).slice(1)).toEqual([
      `warn: MAuth: POST /studies from app ${OWN_UUID} is inauthentic (unknown_app)`,
    ]);
    expect((await linesOf(V1, {}, { v2OnlyAuthenticate: true })).slice(1)).toEqual([
      `warn: MAuth: POST /studies from app ${alice.appUuid} is inauthentic (missing_v2)`,
    ]);
  });

  it('says when it could not be decided', async () => {
    const findPublicKey = () => Promise.reject(new Error('down'));
    expect((await linesOf(V2, {}, { findPublicKey })).slice(-1)).toEqual([
      `warn: MAuth: POST /studies from app ${alice.appUuid} could not be authenticated (key_lookup_failed)`,
    ]);
  });

  it('says that a request was malformed, without repeating it', async () => {
    expect((await linesOf(V2, { url: '/a\nwarn: forged line' })).slice(1)).toEqual([
      `warn: MAuth: a malformed request from app ${alice.appUuid} is inauthentic (malformed_request)`,
    ]);
  });

  it('speaks of responses by their status', async () => {
    const { authenticator, log } = createWorld();
    await authenticator.authenticateResponse({ status: 503, headers: {}, body: null });
    expect(log.lines.at(-1)).toBe(
      'warn: MAuth: response 503 from app [none provided] is inauthentic (missing_headers)',
    );
  });

  it('leaves the attempts out when told so, but not the reasons', async () => {
    expect(await linesOf({ ...V1, ...BAD_V2 }, {}, { logAttempts: false })).toEqual([
      'warn: Completed successful authentication attempt after fallback to v1',
    ]);
    expect(await linesOf({}, {}, { logAttempts: false })).toEqual([
      'warn: MAuth: POST /studies from app [none provided] is inauthentic (missing_headers)',
    ]);
  });

  it('escapes whatever is not plain ASCII in a path', async () => {
    const [, line] = await linesOf({}, { url: '/caf\u00c3\u00a9\u0085/\u2028/~' });
    expect(line).toBe(
      'warn: MAuth: POST /caf\\u00c3\\u0083\\u00c2\\u00a9\\u00c2\\u0085/\\u00e2\\u0080\\u00a8/~ ' +
        'from app [none provided] is inauthentic (missing_headers)',
    );
    const [, latin] = await linesOf({}, { url: '/\u0080\u009b31m\u00ff' });
    expect(latin).toContain('POST /\\u0080\\u009b31m\\u00ff from');
  });

  it('cuts a long path short', async () => {
    const [, line] = await linesOf({}, { url: `/${'a'.repeat(10_000)}` });
    expect(line).toBe(
      `warn: MAuth: POST /${'a'.repeat(255)}… from app [none provided] is inauthentic (missing_headers)`,
    );
    const [, whole] = await linesOf({}, { url: `/${'a'.repeat(255)}` });
    expect(whole).toContain(`/${'a'.repeat(255)} from`);
  });

  it('holds neither query, body nor signature, whatever becomes of the request', async () => {
    const secret = 'tell-nobody';
    const request = { url: `/studies?token=${secret}`, body: secret };
    const signed = { query: `token=${secret}`, body: secret };
    const good = { ...signedHeaders(1, alice, signed), ...signedHeaders(2, alice, signed) };
    const all = [
      ...(await linesOf(good, request)),
      ...(await linesOf({ ...good, ...BAD_V2 }, request)),
      ...(await linesOf(BAD_V2, request)),
      ...(await linesOf({ ...good, 'mcc-authentication': `MWSV2 ${secret}` }, request)),
      ...(await linesOf({ 'mcc-authentication': `${V2['mcc-authentication']} ${secret}` }, request)),
      ...(await linesOf({ ...V2, 'mcc-time': secret }, request)),
      ...(await linesOf({ ...V2, 'mcc-time': '1' }, { ...request, method: secret })),
      ...(await linesOf(good, { ...request, body: undefined })),
      ...(await linesOf({}, request)),
    ].join('\n');
    expect(all.split('\n').length).toBeGreaterThan(15);
    expect(all).not.toContain(secret);
    for (const value of [...Object.values(good), ...Object.values(V2)]) {
      const signature = /:(.*?);?$/.exec(value)?.[1];
      if (signature) expect(all).not.toContain(signature.slice(0, 20));
    }
  });
});
