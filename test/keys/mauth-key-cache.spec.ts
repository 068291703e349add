import { randomUUID, type KeyObject } from 'node:crypto';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { collectingLogger, settingsOf } from '../support/key-settings.js';
import { figures, findAll, outcomeOf, settle, timed, until } from '../support/lookups.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { createTestApp } from '../support/test-app.js';

const DEADLINE_MS = 300;
// Bounds of real time are tested: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const own = createTestApp();
const caller = createTestApp();
const nextCaller = createTestApp(caller.appUuid);
const others = [createTestApp(), createTestApp(), createTestApp()] as const;
const weak = createTestApp(undefined, 1024);

const note = figures();

describe('public keys from a MAuth service over HTTP', () => {
  let service: MAuthServiceStandIn;
  let clock: SimulatedClock;
  let keys: MAuthKeyCache;

  const start = (options: Partial<MAuthOptions> = {}) => {
    const { settings, signer } = settingsOf(own, {
      mauthUrl: service.url,
      now: clock.now,
      ...options,
    });
    return createPublicKeys(settings, signer) as MAuthKeyCache;
  };

  beforeEach(async () => {
    clock = new SimulatedClock();
    service = await MAuthServiceStandIn.start({ apps: [own, caller] });
    keys = start();
  });
  afterEach(async () => {
    keys.close();
    await service.stop();
  });

  it('are fetched once for 500 first requests at once, which are all answered', async () => {
    const [found, took] = await timed(() => findAll(keys, Array<string>(500).fill(caller.appUuid)));
    expect(found.every((key) => key?.equals(caller.publicKey))).toBe(true);
    expect(service.fetches()).toBe(1);
    note('500 first requests of one app at once', `1 fetch, 500 answered in ${took.toFixed(0)} ms`);
  });

  it('are good to nobody whose clock tells no time', async () => {
    await keys.find(caller.appUuid);
    clock.advance(NaN);
    await keys.find(caller.appUuid);
    expect(service.fetches()).toBe(2);
  });

  it('are asked for once while the service hangs; all fail in time, and then at once', async () => {
    keys.close();
    keys = start({ service: { deadlineMs: DEADLINE_MS } });
    service.fail('hang');
    const [outcomes, took] = await timed(() =>
      Promise.all(Array.from({ length: 500 }, () => outcomeOf(keys.find(caller.appUuid)))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['service_unavailable']));
    expect(took).toBeLessThan(DEADLINE_MS + 300);
    expect(service.fetches()).toBe(1);

    clock.advance(9);
    const [again, tookAgain] = await timed(() => outcomeOf(keys.find(caller.appUuid)));
    expect(again).toBe('service_unavailable');
    expect(tookAgain).toBeLessThan(50);
    expect(service.fetches()).toBe(1);
    note(
      'the same while the service hangs',
      `1 fetch, 500 × 503 in ${took.toFixed(0)} ms (deadline ${DEADLINE_MS} ms), then ${tookAgain.toFixed(1)} ms`,
    );

    clock.advance(4);
    service.fail(undefined);
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
  });

  it('come without a promise once they are there', async () => {
    const first = await keys.find(caller.appUuid);
    expect(keys.find(caller.appUuid)).toBe(first);
  });

  it('are asked for once a minute while there is no such app', async () => {
    const unknown = randomUUID();
    for (let second = 0; second < 600; second++) {
      expect(await keys.find(unknown)).toBeUndefined();
      clock.advance(1);
    }
    expect(service.fetches(unknown)).toBe(10);
    note('unknown app, asked about every second for 10 minutes', `${service.fetches(unknown)} fetches`);
  });

  it('are found soon after an app was registered', async () => {
    const [late] = others;
    expect(await keys.find(late.appUuid)).toBeUndefined();
    service.register(late);
    clock.advance(59);
    expect(await keys.find(late.appUuid)).toBeUndefined();
    clock.advance(1);
    expect(await outcomeOf(keys.find(late.appUuid))).toBe('key');
  });

  it('are fetched again before they expire, without a request that waits', async () => {
    await keys.find(caller.appUuid);
    for (let second = 0; second < 3000; second += 10) {
      clock.advance(10);
      expect(keys.find(caller.appUuid)).not.toBeInstanceOf(Promise);
      await settle(keys);
    }
    // Each key lasts 300 s and is fetched again between 240 s and 270 s.
    expect(service.fetches()).toBeGreaterThanOrEqual(3000 / 280);
    expect(service.fetches()).toBeLessThanOrEqual(1 + 3000 / 240);
    expect(keys.stats()).toMatchObject({ misses: 1, stale: 0 });
    note('one app, a request every 10 s for 50 minutes', `${service.fetches()} fetches, 1 request waited`);
  }, 60_000);

  describe('after a rotation', () => {
    let old: KeyObject;
    beforeEach(async () => {
      old = (await keys.find(caller.appUuid)) as KeyObject;
      service.register(nextCaller);
    });

    it('are fetched once more when a signature did not match, for all requests at once', async () => {
      const newer = await Promise.all(Array.from({ length: 100 }, () => keys.findNewer(caller.appUuid, old)));
      expect(newer.every((key) => key?.equals(nextCaller.publicKey))).toBe(true);
      expect(service.fetches()).toBe(2);
      expect((keys.find(caller.appUuid) as KeyObject).equals(nextCaller.publicKey)).toBe(true);
      note('key rotated, 100 requests with the new key at once', '1 fetch, 100 accepted');
    });

    it('are at hand for whoever still holds the old one', async () => {
      await keys.findNewer(caller.appUuid, old);
      clock.advance(1);
      expect((await keys.findNewer(caller.appUuid, old))?.equals(nextCaller.publicKey)).toBe(true);
      expect(service.fetches()).toBe(2);
    });

    it('are still the old ones when the service cannot tell, and the service is left alone', async () => {
      await service.stop();
      expect(await keys.findNewer(caller.appUuid, old)).toBeUndefined();
      await service.restart();
      expect(await keys.findNewer(caller.appUuid, old)).toBeUndefined();
      expect(keys.find(caller.appUuid)).toBe(old);
      clock.advance(13);
      expect((await keys.findNewer(caller.appUuid, old))?.equals(nextCaller.publicKey)).toBe(true);
    });
  });

  it('are fetched at most once in a cool-down for signatures that do not match', async () => {
    const key = (await keys.find(caller.appUuid)) as KeyObject;
    for (let second = 0; second < 200; second++) {
      expect(await keys.findNewer(caller.appUuid, key)).toBeUndefined();
      clock.advance(1);
    }
    expect(service.fetches()).toBeLessThanOrEqual(1 + 20);
    expect(service.fetches()).toBeGreaterThan(15);
    note('forged signatures of a known app, one a second for 200 s', `${service.fetches() - 1} fetches`);
  });

  describe('after a revocation', () => {
    beforeEach(async () => {
      await keys.find(caller.appUuid);
      service.revoke(caller);
    });

    it('are gone with the next refresh, at the latest when they expire', async () => {
      clock.advance(271);
      void keys.find(caller.appUuid);
      await settle(keys);
      expect(await keys.find(caller.appUuid)).toBeUndefined();
      expect(keys.stats()).toMatchObject({ size: 0, stale: 0 });
    });

    it('do not serve when they have expired', async () => {
      clock.advance(300);
      expect(await keys.find(caller.appUuid)).toBeUndefined();
      note('key revoked, max-age 300 s', 'refused after 300 s at the latest');
    });

    it('are gone when a signature does not match', async () => {
      const key = keys.find(caller.appUuid) as KeyObject;
      expect(await keys.findNewer(caller.appUuid, key)).toBeUndefined();
      expect(await keys.find(caller.appUuid)).toBeUndefined();
    });

    it('are gone also when the service was down before it told', async () => {
      await service.stop();
      clock.advance(310);
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
      await service.restart();
      clock.advance(13);
      void keys.find(caller.appUuid);
      await settle(keys);
      expect(await keys.find(caller.appUuid)).toBeUndefined();
    });
  });

  describe('that have expired while the service is down', () => {
    const expire = async (options: MAuthOptions['keys'], seconds: number) => {
      keys.close();
      keys = start({ keys: options });
      await keys.find(caller.appUuid);
      await service.stop();
      clock.advance(seconds);
    };

    it('serve until their stale window ends, to the second', async () => {
      await expire({ staleIfErrorSeconds: 600 }, 899);
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
      clock.advance(1);
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('service_unavailable');
      expect(keys.stats()).toMatchObject({ stale: 1, hits: 0 });
    });

    it('do not serve when the stale window is switched off', async () => {
      await expire({ staleIfErrorSeconds: 0 }, 299);
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
      clock.advance(1);
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('service_unavailable');
    });

    it('serve without waiting once it is known that the service does not answer', async () => {
      await expire({}, 310);
      await service.restart();
      service.fail('hang');
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
      for (let second = 0; second < 120; second++) {
        clock.advance(1);
        expect(keys.find(caller.appUuid)).not.toBeInstanceOf(Promise);
      }
    });
  });

  it.each([
    ['an answer that cannot be used', () => service.fail((_request, response) => response.end('{}'))],
    ['an answer with a weak key', () => service.register({ ...caller, publicKeyPem: weak.publicKeyPem })],
    ['401', () => service.fail((_request, response) => response.writeHead(401).end())],
  ])('serve on when the answer to a refresh is %s', async (_what, spoil) => {
    const key = await keys.find(caller.appUuid);
    spoil();
    clock.advance(301);
    expect(await keys.find(caller.appUuid)).toBe(key);
  });

  it('never reach their size limit through made-up apps', async () => {
    keys = start({ keys: { maxEntries: 1 } });
    await keys.find(caller.appUuid);
    for (let i = 0; i < 100; i++) await keys.find(randomUUID());
    expect(keys.find(caller.appUuid)).not.toBeInstanceOf(Promise);
  });

  it('make room for each other, the least recently used first', async () => {
    const [a, b, c] = others;
    for (const app of [a, b, c]) service.register(app);
    keys = start({ keys: { maxEntries: 2 } });
    for (const { appUuid } of [a, b, a, c]) await keys.find(appUuid);
    expect(keys.stats().size).toBe(2);
    expect(keys.find(a.appUuid)).not.toBeInstanceOf(Promise);
    expect(keys.find(c.appUuid)).not.toBeInstanceOf(Promise);
    const fetching = keys.find(b.appUuid);
    expect(fetching).toBeInstanceOf(Promise);
    await fetching;
  });

  it('are as old as they are when the clock is set back', async () => {
    await keys.find(caller.appUuid);
    clock.advance(-7200);
    await keys.find(caller.appUuid);
    expect(service.fetches()).toBe(2);
    clock.advance(-1);
    expect(keys.find(caller.appUuid)).not.toBeInstanceOf(Promise);
  });

  it('that are not there are looked for again when the clock is set back', async () => {
    const unknown = randomUUID();
    await keys.find(unknown);
    clock.advance(-3600);
    await keys.find(unknown);
    expect(service.fetches(unknown)).toBe(2);
  });

  describe('when told to forget', () => {
    it('one app, fetch its key anew, in whatever case its UUID is written', async () => {
      await keys.find(caller.appUuid);
      await keys.find(own.appUuid);
      service.register(nextCaller);
      keys.invalidate(caller.appUuid.toUpperCase());
      expect((await keys.find(caller.appUuid))?.equals(nextCaller.publicKey)).toBe(true);
      expect(service.fetches(own)).toBe(1);
    });

    it('do not keep the answer to a question that was asked before', async () => {
      let release = () => {};
      service.fail((_request, response) => {
        const old = JSON.stringify({
          security_token: { app_uuid: caller.appUuid, public_key_str: caller.publicKeyPem },
        });
        release = () => void response.end(old);
      });
      const waiting = keys.find(caller.appUuid);
      await until(async () => service.fetches() === 1);
      service.fail(undefined);
      service.register(nextCaller);
      keys.invalidate(caller.appUuid);
      expect((await keys.find(caller.appUuid))?.equals(nextCaller.publicKey)).toBe(true);
      release();
      expect((await waiting)?.equals(caller.publicKey)).toBe(true);
      expect((keys.find(caller.appUuid) as KeyObject).equals(nextCaller.publicKey)).toBe(true);
    });

    it('all apps, fetch everything anew, also what was unknown', async () => {
      const [late] = others;
      await keys.find(late.appUuid);
      await keys.find(caller.appUuid);
      service.register(late);
      keys.clear();
      expect(keys.stats().size).toBe(0);
      expect(await outcomeOf(keys.find(late.appUuid))).toBe('key');
      expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
    });
  });

  it('count what they do', async () => {
    const unknown = randomUUID();
    for (const appUuid of [caller.appUuid, caller.appUuid, caller.appUuid, unknown, unknown])
      await keys.find(appUuid);
    await service.stop();
    clock.advance(301);
    await keys.find(caller.appUuid);
    await keys.find(caller.appUuid);
    expect(keys.stats()).toEqual({
      hits: 2,
      misses: 3,
      stale: 2,
      fetches: 3,
      failures: 1,
      negativeHits: 1,
      size: 1,
      pending: 0,
    });
  });

  it('can be fetched at start-up, so that no first request waits', async () => {
    const logger = collectingLogger();
    const missing = randomUUID();
    keys = start({ logger, keys: { warmUp: [caller.appUuid.toUpperCase(), missing] } });
    await keys.warmUp();
    expect(keys.find(caller.appUuid)).not.toBeInstanceOf(Promise);
    expect(logger.lines).toEqual([expect.stringContaining(missing)]);
  });

  it('do not stop the start-up when they cannot be fetched', async () => {
    const logger = collectingLogger();
    await service.stop();
    keys = start({ logger, keys: { warmUp: [caller.appUuid] } });
    await keys.warmUp();
    expect(logger.lines.at(-1)).toContain(caller.appUuid);
  });

  it('are refused with a reason in the log, and no line feeds in it', async () => {
    const logger = collectingLogger();
    service.fail((_request, response) => response.writeHead(418).end());
    keys = start({ logger });
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('service_answer_malformed');
    expect(logger.lines).toEqual([
      expect.stringMatching(/^The public key of app [-0-9a-f]{36} .*service_answer_malformed.*418/),
    ]);
  });
});

describe('a flood of made-up apps', () => {
  it('leaves a bounded number of questions open, and known apps go ahead of it', async () => {
    const service = await MAuthServiceStandIn.start({ apps: [own, caller] });
    const clock = new SimulatedClock();
    const { settings, signer } = settingsOf(own, {
      mauthUrl: service.url,
      now: clock.now,
      service: { deadlineMs: 1000, maxOpenFetches: 10 },
    });
    const keys = createPublicKeys(settings, signer) as MAuthKeyCache;
    await keys.find(caller.appUuid);
    keys.noteVerified(caller.appUuid);
    clock.advance(301);

    service.fail((request, response) => {
      if (!request.url?.includes(caller.appUuid)) return; // Hangs about all but the known app.
      response.end(
        JSON.stringify({
          security_token: { app_uuid: caller.appUuid, public_key_str: nextCaller.publicKeyPem },
        }),
      );
    });
    const flood = Array.from({ length: 1000 }, () => outcomeOf(keys.find(randomUUID())));
    await until(async () => service.mostOpen > 5);
    const [known, took] = await timed(async () => keys.find(caller.appUuid));
    expect(known?.equals(nextCaller.publicKey)).toBe(true);
    expect(took).toBeLessThan(500);
    const [outcomes, floodTook] = await timed(() => Promise.all(flood));
    expect(new Set(outcomes)).toEqual(new Set(['service_unavailable', 'too_many_lookups']));
    expect(floodTook).toBeLessThan(1300);
    expect(service.mostOpen).toBeLessThanOrEqual(10);
    note(
      '1,000 made-up apps at once while the service hangs',
      `at most ${service.mostOpen} open (bound 10); a known app's refresh took ${took.toFixed(0)} ms`,
    );
    keys.close();
    await service.stop();
  });

  it('that waits for its turn does not make a slow service look as if it were down', async () => {
    const service = await MAuthServiceStandIn.start({ apps: [own, caller] });
    const { settings, signer } = settingsOf(own, {
      mauthUrl: service.url,
      service: { deadlineMs: 1000, maxOpenFetches: 10 },
    });
    const keys = createPublicKeys(settings, signer) as MAuthKeyCache;
    service.fail((_request, response) => void setTimeout(() => response.writeHead(404).end(), 200));
    const flood = Array.from({ length: 100 }, () => outcomeOf(keys.find(randomUUID())));
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['unknown', 'too_many_lookups']));
    service.fail(undefined);
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
    expect(keys.stats().failures).toBe(0);
    keys.close();
    await service.stop();
  });
});
