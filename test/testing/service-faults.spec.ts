import { partsFrom } from '../../lib/authentication/authenticator-parts.js';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { type MAuthFailureCode, type MAuthResult } from '../../lib/authentication/result.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import {
  FakeMAuthService,
  MAuthTestingModule,
  type MAuthServiceAnswer,
  type MAuthServiceFault,
  type TestCaller,
} from '../../lib/testing/index.js';
import { settingsOf } from '../support/key-settings.js';
import { settle } from '../support/lookups.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { createTestApp } from '../support/test-app.js';

// Deadlines are real time: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

type Decision = 'authentic' | MAuthFailureCode;

/** What comes of a fault. */
interface Outcome {
  /** Of the first request of an app, in local mode. */
  readonly first: Decision;
  /** How many questions the service saw for it. */
  readonly asked: number;
  /** How long the service is not asked about the app again, in seconds: at least, and at most. */
  readonly quiet: readonly [number, number];
  /** Whether a fourth app is not asked about after three have failed. */
  readonly breaker: 'opens' | 'stays closed';
  /** Of a request of an app whose key was fetched before, although it has expired. */
  readonly known: Decision;
  /** Of a request in remote mode. */
  readonly remote: Decision;
}

type NamedFault = Exclude<MAuthServiceFault, number | MAuthServiceAnswer>;

const COOLDOWN = [9, 12] as const;
const NEGATIVE = [59, 60] as const;
/** One that asking again may end: three attempts in all. */
const OUTAGE: Outcome = {
  first: 'service_unavailable',
  asked: 3,
  quiet: COOLDOWN,
  breaker: 'opens',
  known: 'authentic',
  remote: 'service_unavailable',
};
/** An answer that says nothing about the app. */
const MALFORMED: Outcome = {
  first: 'service_answer_malformed',
  asked: 1,
  quiet: COOLDOWN,
  breaker: 'stays closed',
  known: 'authentic',
  remote: 'service_answer_malformed',
};
/** A ticket is answered by the status alone, and these kinds come with 200. */
const MALFORMED_TOKEN: Outcome = { ...MALFORMED, remote: 'authentic' };
const REFUSED: Outcome = {
  ...OUTAGE,
  first: 'own_app_refused',
  asked: 1,
  remote: 'own_app_refused',
};
const ABSENT: Outcome = {
  first: 'unknown_app',
  asked: 1,
  quiet: NEGATIVE,
  breaker: 'stays closed',
  known: 'unknown_app',
  remote: 'signature_mismatch',
};

/** Every kind by name: the compiler misses one that is added to `MAuthServiceFault`. */
const NAMED: Record<NamedFault, Outcome> = {
  // The deadline leaves no time for a second attempt.
  hang: { ...OUTAGE, asked: 1 },
  // No question is read.
  refuse: { ...OUTAGE, asked: 0 },
  malformed: MALFORMED_TOKEN,
  other_app: MALFORMED_TOKEN,
  redirect: MALFORMED,
  endless: MALFORMED_TOKEN,
  oversized: MALFORMED_TOKEN,
};

const answering = (answer: MAuthServiceAnswer): MAuthServiceAnswer => answer;

const TABLE: readonly (readonly [name: string, fault: MAuthServiceFault, outcome: Outcome])[] = [
  ...Object.entries(NAMED).map(([kind, outcome]) => [kind, kind as NamedFault, outcome] as const),
  ['204', 204, MALFORMED_TOKEN],
  ['304', 304, MALFORMED],
  ['400', 400, MALFORMED],
  ['401', 401, REFUSED],
  ['403', 403, REFUSED],
  ['404', 404, ABSENT],
  ['412', 412, ABSENT],
  // More questions are not what helps.
  ['429', 429, { ...OUTAGE, asked: 1 }],
  ['500', 500, OUTAGE],
  ['502', 502, OUTAGE],
  ['503', 503, OUTAGE],
  ['504', 504, OUTAGE],
  ['an answer of the test: null', answering((_, response) => void response.end('null')), MALFORMED_TOKEN],
  ['an answer of the test: hangs up', answering(({ socket }) => void socket.destroy()), OUTAGE],
];

const own = createTestApp();
const rave = MAuthTestingModule.caller();
/** Signs in the name of rave with another key. */
const forger = new MAuthSigner({ appUuid: rave.appUuid, privateKey: own.privateKey });

describe.each(TABLE)('While FakeMAuthService fails with %s,', (_name, fault, outcome) => {
  let service: FakeMAuthService;
  let clock: SimulatedClock;
  let mauth: MAuthAuthenticator;
  let keys: MAuthKeyCache;
  let close: () => void;

  const start = (options: Partial<MAuthOptions> = {}) => {
    const { settings, signer } = settingsOf(own, {
      mauthUrl: service.url,
      now: clock.now,
      logAttempts: false,
      service: { deadlineMs: fault === 'hang' ? 150 : 2000 },
      ...options,
    });
    const parts = partsFrom(settings, signer);
    mauth = new MAuthAuthenticator(parts);
    keys = parts.keys as MAuthKeyCache;
    close = () => (parts.keys?.close(), parts.tickets?.close());
  };
  const request = async (caller: TestCaller = rave, signer = caller.signer): Promise<MAuthResult> => {
    const message = { method: 'POST', url: '/studies?page=1', body: 'x' };
    const headers = await signer.signRequest(message, { time: clock.now() / 1000 });
    return mauth.authenticateRequest({ ...message, headers });
  };
  const decision = async (...of: Parameters<typeof request>): Promise<Decision> => {
    const result = await request(...of);
    return result.authentic ? 'authentic' : result.code;
  };

  beforeEach(async () => {
    clock = new SimulatedClock();
    service = await FakeMAuthService.start();
    service.register(own.appUuid, own.publicKeyPem).register(rave);
    start();
  });
  afterEach(async () => {
    close();
    await service.stop();
  });

  it(`a first request is ${outcome.first}, after ${outcome.asked} questions`, async () => {
    service.fail(fault);
    const result = await request();
    expect(result).toMatchObject({
      authentic: false,
      code: outcome.first,
      status: outcome.first === 'unknown_app' ? 401 : 503,
    });
    expect(service.calls).toHaveLength(outcome.asked);
  });

  it(`the app is left alone for ${outcome.quiet[0]} s, and well again soon after the service is`, async () => {
    service.fail(fault);
    await request();
    service.fail(undefined);
    const before = service.calls.length;
    clock.advance(outcome.quiet[0]);
    expect(await decision()).toBe(outcome.first);
    expect(service.calls).toHaveLength(before);
    clock.advance(outcome.quiet[1] - outcome.quiet[0]);
    expect(await decision()).toBe('authentic');
    expect(service.calls).toHaveLength(before + 1);
  });

  it(`the circuit breaker ${outcome.breaker} after three apps`, async () => {
    service.fail(fault);
    for (let app = 0; app < 3; app++) expect(await decision(MAuthTestingModule.caller())).toBe(outcome.first);
    service.fail(undefined);
    const before = service.calls.length;
    expect(await decision()).toBe(outcome.breaker === 'opens' ? outcome.first : 'authentic');
    expect(service.calls).toHaveLength(outcome.breaker === 'opens' ? before : before + 1);
    clock.advance(12);
    // A question in the background sees that the service is back.
    await request();
    await settle(keys);
    expect(await decision()).toBe('authentic');
  });

  it(`a request whose key has expired is ${outcome.known}`, async () => {
    service.maxAge(600);
    expect(await decision()).toBe('authentic');
    service.fail(fault);
    clock.advance(601);
    expect(await decision()).toBe(outcome.known);
    expect(keys.stats().stale).toBe(outcome.known === 'authentic' ? 1 : 0);
  });

  it('a key that was fetched before serves for an hour after its end at most', async () => {
    service.maxAge(600);
    await request();
    service.fail(fault);
    clock.advance(600 + 3599);
    expect(await decision()).toBe(outcome.known);
    clock.advance(outcome.quiet[1] + 1);
    expect(await decision()).toBe(outcome.first);
  });

  it('a signature that does not match stays one, since a newer key cannot be had', async () => {
    await request();
    service.fail(fault);
    expect(await request(rave, forger)).toMatchObject({ status: 401 });
    expect(await decision()).toBe(outcome.known);
  });

  it(`a request in remote mode is ${outcome.remote}`, async () => {
    close();
    start({ mode: 'remote' });
    service.fail(fault);
    expect(await decision()).toBe(outcome.remote);
    service.fail(undefined);
    expect(await decision()).toBe('authentic');
  });
});
