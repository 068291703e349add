import { inspect } from 'node:util';
import {
  MAuthAuthenticator,
  MAuthConfigurationError,
  redisReplayStore,
  type MAuthReplayStore,
} from '../../lib/core.js';
import { FakeClocks } from '../support/fake-clocks.js';
import {
  accepted,
  alice,
  authenticationOf,
  bob,
  createWorld,
  NOW,
  refused,
  REQUEST,
  signatureOf,
  signedHeaders,
  textOf,
  undecided,
} from './signed-by-hand.js';

const protecting = { v2OnlyAuthenticate: true, replayProtection: true } as const;
const signed = (parts: Parameters<typeof signedHeaders>[2] = {}, app = alice) => ({
  ...REQUEST,
  headers: signedHeaders(2, app, parts),
});

describe('Replay protection', () => {
  it('is off unless it is asked for', async () => {
    const { authenticator } = createWorld({ v2OnlyAuthenticate: true });
    for (let time = 0; time < 2; time++)
      expect(await authenticator.authenticateRequest(signed())).toEqual(accepted(alice, 2));
  });

  it('accepts a signature once, refuses it from then on, and says so in the log alone', async () => {
    const { authenticator, log } = createWorld(protecting);
    expect(await authenticator.authenticateRequest(signed())).toEqual(accepted(alice, 2));
    log.lines.length = 0;
    for (let time = 0; time < 2; time++)
      expect(await authenticator.authenticateRequest(signed())).toEqual(refused('replayed'));
    expect(log.lines.filter((line) => line.includes('(replayed)'))).toHaveLength(2);
  });

  it('knows a signature again under header names in another case', async () => {
    const { authenticator } = createWorld(protecting);
    const headers = signedHeaders(2, alice);
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(accepted(alice, 2));
    const respelled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    const result = await authenticator.authenticateRequest({ ...REQUEST, headers: respelled });
    expect(result).toEqual(refused('replayed'));
  });

  it('accepts the next second, another body and another app', async () => {
    const { authenticator } = createWorld(protecting);
    const requests = [
      signed(),
      signed({ time: NOW + 1 }),
      { ...signed({ body: '[]' }), body: '[]' },
      signed({}, bob),
    ];
    for (const request of requests)
      expect(await authenticator.authenticateRequest(request)).toMatchObject({ authentic: true });
    for (const request of requests)
      expect(await authenticator.authenticateRequest(request)).toEqual(refused('replayed'));
  });

  it('refuses the same signature over a respelled path, which V2 takes for the same request', async () => {
    const { authenticator } = createWorld(protecting);
    expect(await authenticator.authenticateRequest(signed())).toMatchObject({ authentic: true });
    expect(await authenticator.authenticateRequest({ ...signed(), url: '//studies' })).toEqual(
      refused('replayed'),
    );
  });

  it.each(['GET', 'HEAD', 'OPTIONS'])('leaves %s alone', async (method) => {
    const { authenticator } = createWorld(protecting);
    const request = { ...signed({ method, body: '' }), method, body: null };
    for (let time = 0; time < 2; time++)
      expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, 2));
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('is for %s', async (method) => {
    const { authenticator } = createWorld(protecting);
    const request = { ...signed({ method }), method };
    expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, 2));
    expect(await authenticator.authenticateRequest(request)).toEqual(refused('replayed'));
  });

  it('is for the methods that are named', async () => {
    const { authenticator } = createWorld({ ...protecting, replayProtection: { methods: ['GET'] } });
    const get = { ...signed({ method: 'GET' }), method: 'GET' };
    expect(await authenticator.authenticateRequest(get)).toEqual(accepted(alice, 2));
    expect(await authenticator.authenticateRequest(get)).toEqual(refused('replayed'));
    for (let time = 0; time < 2; time++)
      expect(await authenticator.authenticateRequest(signed())).toEqual(accepted(alice, 2));
  });

  it('leaves responses alone', async () => {
    const { authenticator } = createWorld(protecting);
    const signature = signatureOf(
      2,
      alice,
      `200\n${textOf(2, { method: 'x', path: 'x', query: '', body: '', appUuid: alice.appUuid, time: NOW }).split('\n')[2]}\n${alice.appUuid}\n${NOW}`,
    );
    const headers = {
      'mcc-authentication': authenticationOf(2, alice.appUuid, signature),
      'mcc-time': String(NOW),
    };
    for (let time = 0; time < 2; time++)
      expect(await authenticator.authenticateResponse({ status: 200, headers, body: null })).toEqual(
        accepted(alice, 2),
      );
  });

  it('remembers nothing that was not verified', async () => {
    const { authenticator } = createWorld({ ...protecting, replayProtection: { maxEntries: 1 } });
    const forged = { ...signed(), body: '[]' };
    for (let time = 0; time < 3; time++)
      expect(await authenticator.authenticateRequest(forged)).toEqual(refused('signature_mismatch'));
    expect(await authenticator.authenticateRequest(signed())).toEqual(accepted(alice, 2));
  });

  describe('by the clock', () => {
    let clocks: FakeClocks;
    beforeEach(() => (clocks = new FakeClocks(NOW * 1000)));
    afterEach(() => jest.useRealTimers());

    /** An authenticator that reads the clock of the wall. */
    const world = (options: Parameters<typeof createWorld>[0] = {}) =>
      createWorld({ ...protecting, now: undefined, ...options });

    it('does not accept what it has no room to remember, and has room again once the drift is over', async () => {
      const { authenticator, log } = world({ replayProtection: { maxEntries: 2 } });
      for (const time of [NOW, NOW + 1])
        expect(await authenticator.authenticateRequest(signed({ time }))).toMatchObject({ authentic: true });
      for (let time = 2; time < 4; time++) {
        expect(await authenticator.authenticateRequest(signed({ time: NOW + time }))).toEqual(
          undecided('replay_store_unavailable'),
        );
      }
      // One that is remembered is a replay, also while there is no room.
      expect(await authenticator.authenticateRequest(signed())).toEqual(refused('replayed'));
      expect(log.lines.filter((line) => line.includes('`replayProtection.maxEntries`'))).toHaveLength(1);
      clocks.advance(600);
      expect(await authenticator.authenticateRequest(signed({ time: NOW + 600 }))).toEqual(
        undecided('replay_store_unavailable'),
      );
      clocks.advance(1);
      expect(await authenticator.authenticateRequest(signed({ time: NOW + 601 }))).toMatchObject({
        authentic: true,
      });
    });

    it.each([300, 60, 900])(
      'remembers for as long as the time is accepted, with a drift of %i s',
      async (drift) => {
        const { authenticator } = world({ allowedDriftSeconds: drift });
        const request = signed({ time: NOW + drift });
        expect(await authenticator.authenticateRequest(request)).toMatchObject({ authentic: true });
        clocks.advance(2 * drift + 0.999);
        expect(await authenticator.authenticateRequest(request)).toEqual(refused('replayed'));
        clocks.advance(0.001);
        expect(await authenticator.authenticateRequest(request)).toEqual(refused('time_out_of_range'));
      },
    );

    it.each([3600, -3600, 86_400, -86_400, 601, -601])(
      'remembers also when the clock of the wall is set by %i s, serves a request, and is set back',
      async (seconds) => {
        const { authenticator } = world();
        expect(await authenticator.authenticateRequest(signed())).toMatchObject({ authentic: true });
        clocks.setWallClock(seconds);
        const other = signed({ time: NOW + seconds });
        expect(await authenticator.authenticateRequest(other)).toMatchObject({ authentic: true });
        clocks.setWallClock(-seconds);
        expect(await authenticator.authenticateRequest(signed())).toEqual(refused('replayed'));
      },
    );

    it('remembers also when the option `now` jumps', async () => {
      let now = NOW;
      const { authenticator } = world({ now: () => now * 1000 });
      expect(await authenticator.authenticateRequest(signed())).toMatchObject({ authentic: true });
      now += 3600;
      expect(await authenticator.authenticateRequest(signed({ time: now }))).toMatchObject({
        authentic: true,
      });
      now = NOW;
      expect(await authenticator.authenticateRequest(signed())).toEqual(refused('replayed'));
    });
  });

  it('accepts one of many that come at once', async () => {
    const { authenticator } = createWorld(protecting);
    const results = await Promise.all(
      Array.from({ length: 50 }, () => authenticator.authenticateRequest(signed())),
    );
    expect(results.filter(({ authentic }) => authentic)).toHaveLength(1);
  });
});

describe('A store of replay protection', () => {
  const withStore = (remember: MAuthReplayStore['remember']) =>
    createWorld({ ...protecting, replayProtection: { store: { remember } } });

  it('is asked for the digest of the signature, for twice the drift, and for this app alone', async () => {
    const asked: [string, number][] = [];
    const { authenticator } = withStore((...question) => asked.push(question) === 1);
    expect(await authenticator.authenticateRequest(signed())).toEqual(accepted(alice, 2));
    expect(await authenticator.authenticateRequest(signed())).toEqual(refused('replayed'));
    expect(new Set(asked.map(([key]) => key)).size).toBe(1);
    expect(asked[0]).toEqual([
      expect.stringMatching(/^nestjs-mauth:replay:00000000-0000-4000-8000-00000000000a:[\w-]{43}$/),
      601_000,
    ]);
  });

  it.each<[string, MAuthReplayStore['remember']]>([
    [
      'throws',
      () => {
        throw new Error('redis://user:secret@host');
      },
    ],
    ['rejects', () => Promise.reject(new Error('redis://user:secret@host'))],
    ['never answers', () => new Promise(() => undefined)],
    ['answers with something else', () => 'OK' as unknown as boolean],
    ['answers with nothing', () => undefined as unknown as boolean],
  ])(
    'that %s makes the request undecided, and its trouble is told once, without its text',
    async (_, remember) => {
      const { authenticator, log } = withStore(remember);
      for (let time = 0; time < 2; time++)
        expect(await authenticator.authenticateRequest(signed())).toEqual(
          undecided('replay_store_unavailable'),
        );
      expect(log.lines.filter((line) => line.includes('`replayProtection.store`'))).toHaveLength(1);
      expect(log.lines.join()).not.toContain('secret');
    },
  );

  it.each<[string, MAuthReplayStore['remember']]>([
    ['failed', () => Promise.reject(new Error('no'))],
    ['took more than 500 ms', () => new Promise(() => undefined)],
  ])('whose answer is missing has said why in the log: it %s', async (why, remember) => {
    const { authenticator, log } = withStore(remember);
    await authenticator.authenticateRequest(signed());
    expect(log.lines.filter((line) => line.includes(`\`replayProtection.store\` ${why}.`))).toHaveLength(1);
  });

  it('that has recovered is told of when it fails again', async () => {
    const answers: (() => boolean)[] = [];
    const { authenticator, log } = withStore(() => (answers.shift() as () => boolean)());
    const fail = () => {
      throw new Error();
    };
    answers.push(fail, () => true, fail);
    for (const code of ['replay_store_unavailable', undefined, 'replay_store_unavailable'])
      expect(await authenticator.authenticateRequest(signed())).toMatchObject(
        code ? { code } : { authentic: true },
      );
    expect(log.lines.filter((line) => line.includes('`replayProtection.store`'))).toHaveLength(2);
  });

  it.each<[unknown, unknown]>([
    ['OK', true],
    [Buffer.from('OK'), true],
    [null, false],
  ])('in Redis takes the answer %p for %p', async (answer, expected) => {
    const sent: string[][] = [];
    const store = redisReplayStore(async (...words) => (sent.push(words), answer));
    expect(await store.remember('key', 601_000)).toBe(expected);
    expect(sent).toEqual([['SET', 'key', '1', 'NX', 'PX', '601000']]);
  });

  it.each([undefined, '', 'QUEUED', 0, {}])('in Redis takes the answer %p for none', async (answer) => {
    await expect(redisReplayStore(async () => answer).remember('key', 1)).rejects.toThrow(/Redis/);
  });
});

describe('The option replayProtection', () => {
  const make = (options: object) => () =>
    new MAuthAuthenticator({ appUuid: alice.appUuid, findPublicKey: () => undefined, ...options });

  it.each([true, {}, { methods: ['POST'] }])('needs v2OnlyAuthenticate: %j', (replayProtection) => {
    expect(make({ replayProtection })).toThrow(MAuthConfigurationError);
    expect(make({ replayProtection })).toThrow(/`replayProtection` needs `v2OnlyAuthenticate: true`/);
    expect(make({ replayProtection, v2OnlyAuthenticate: true })).not.toThrow();
  });

  it('does not when it is off', () => expect(make({ replayProtection: false })).not.toThrow());

  it.each([
    [{ methods: ['post'] }, /`replayProtection.methods.0` must be a method in upper case/],
    [{ methods: [] }, /`replayProtection.methods` must name at least one method/],
    [{ methods: 'POST' }, /`replayProtection.methods` must be a list/],
    [{ maxEntries: 0 }, /`replayProtection.maxEntries` must be a whole number/],
    [{ store: {} }, /`replayProtection.store` must be an object with the methods remember/],
    [{ stores: {} }, /`replayProtection.stores` is not an option/],
    ['yes', /`replayProtection` must be an object/],
  ])('is refused as %j', (replayProtection, message) => {
    expect(make({ replayProtection, v2OnlyAuthenticate: true })).toThrow(message);
  });

  it('hides the store, which may hold a password', () => {
    const store = { remember: () => true, password: 'secret' };
    expect(
      inspect(make({ replayProtection: { store }, v2OnlyAuthenticate: true })(), {
        depth: 9,
        showHidden: true,
      }),
    ).not.toContain('secret');
  });
});
