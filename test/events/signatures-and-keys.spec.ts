import { tracingChannel } from 'node:diagnostics_channel';
import { runInNewContext } from 'node:vm';
import {
  MAuthAuthenticator,
  MAuthSigner,
  signedFetch,
  type MAuthObserver,
  type MAuthUnableToAuthenticateError,
} from '../../lib/core.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { caller, service } from '../support/inbound-app.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const OWN = { appUuid: service.appUuid, privateKey: service.privateKey };
const durationMs = expect.any(Number);

async function signed(app = caller, path = '/studies') {
  const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v2' });
  return {
    method: 'GET',
    url: path,
    headers: await signer.signRequest({ method: 'GET', url: path }),
    body: null,
  };
}

describe('Signatures', () => {
  it.each(['v1', 'v2', 'v1,v2'] as const)('are told of with their versions (%s)', async (signVersions) => {
    const observer = new RecordedEvents();
    const signer = new MAuthSigner({ ...OWN, signVersions, observers: [observer] });
    await signer.signRequest({ method: 'POST', url: '/', body: 'é' });
    await signer.signResponse({ status: 204 });
    await signer.signRequest({ method: 'POST', url: '/', body: 'x' }, { signVersions: 'v2' });
    expect(observer.signatures).toEqual([
      { kind: 'request', versions: signVersions, bodyBytes: 2, durationMs },
      { kind: 'response', versions: signVersions, bodyBytes: 0, durationMs },
      { kind: 'request', versions: 'v2', bodyBytes: 1, durationMs },
    ]);
  });

  it('are not told of where there are none', async () => {
    const observer = new RecordedEvents();
    const signer = new MAuthSigner({ ...OWN, observers: [observer] });
    await expect(signer.signRequest({ method: 'get', url: '\n' })).rejects.toThrow();
    expect(observer.signatures).toEqual([]);
  });

  it('of questions to the MAuth service are told of, with the size of a ticket', async () => {
    const mauth = await FakeMAuthService.start();
    const observer = new RecordedEvents();
    try {
      mauth.register(caller.appUuid, caller.publicKeyPem);
      mauth.register(service.appUuid, service.publicKeyPem);
      const options = { ...OWN, mauthUrl: mauth.url, observers: [observer], logger: new RecordingLogger() };
      await new MAuthAuthenticator({ ...options, mode: 'remote' }).authenticateRequest(await signed());
    } finally {
      await mauth.stop();
    }
    expect(observer.signatures).toEqual([
      { kind: 'request', versions: 'v1', bodyBytes: expect.any(Number), durationMs },
    ]);
    expect(observer.signatures[0]?.bodyBytes).toBeGreaterThan(300);
  });
});

describe('Look-ups of keys', () => {
  let mauth: FakeMAuthService;
  let observer: RecordedEvents;
  let now: number;
  let authenticator: MAuthAuthenticator;

  beforeEach(async () => {
    mauth = await FakeMAuthService.start();
    mauth.register(caller.appUuid, caller.publicKeyPem);
    mauth.register(service.appUuid, service.publicKeyPem);
    observer = new RecordedEvents();
    now = Date.now();
    authenticator = new MAuthAuthenticator({
      ...OWN,
      mauthUrl: mauth.url,
      observers: [observer],
      logger: new RecordingLogger(),
      allowedDriftSeconds: 900,
      now: () => now,
    });
  });
  afterEach(() => mauth.stop());

  const { appUuid } = caller;

  it('are told of with why, status, and for how long the key is good', async () => {
    mauth.maxAge(300);
    await authenticator.authenticateRequest(await signed());
    await authenticator.authenticateRequest(await signed());
    now += 290_000;
    await authenticator.authenticateRequest(await signed());
    while (observer.keyFetches.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const found = { appUuid, attempt: 1, status: 200, found: true, maxAge: 300, durationMs };
    expect(observer.keyFetches).toEqual([
      { ...found, reason: 'absent' },
      { ...found, reason: 'refresh' },
    ]);
  });

  it('say when they are made because a signature does not match', async () => {
    await authenticator.authenticateRequest(await signed());
    await authenticator.authenticateRequest({ ...(await signed()), method: 'POST' });
    expect(observer.keyFetches.map(({ reason }) => reason)).toEqual(['absent', 'mismatch']);
    expect(observer.decisions.map(({ code }) => code)).toEqual([undefined, 'signature_mismatch']);
  });

  it('say that there is no such app', async () => {
    const stranger = createTestApp();
    await authenticator.authenticateRequest(await signed(stranger));
    expect(observer.keyFetches).toEqual([
      { appUuid: stranger.appUuid, reason: 'absent', attempt: 1, status: 404, found: false, durationMs },
    ]);
  });

  it('are told of attempt by attempt', async () => {
    mauth.fail(503, { times: 2 });
    await authenticator.authenticateRequest(await signed());
    const attempt = { appUuid, reason: 'absent', durationMs };
    expect(observer.keyFetches).toEqual([
      { ...attempt, attempt: 1, status: 503, code: 'service_unavailable' },
      { ...attempt, attempt: 2, status: 503, code: 'service_unavailable' },
      expect.objectContaining({ ...attempt, attempt: 3, status: 200, found: true }),
    ]);
  });

  it('are told of where the answer is none', async () => {
    mauth.fail('malformed');
    await authenticator.authenticateRequest(await signed());
    expect(observer.keyFetches).toEqual([
      { appUuid, reason: 'absent', attempt: 1, status: 200, code: 'service_answer_malformed', durationMs },
    ]);
  });

  it('by `findPublicKey` are told of as well', async () => {
    const keys = [caller.publicKey, undefined, 'nonsense'];
    const findPublicKey = () => keys.shift();
    const own = new MAuthAuthenticator({
      ...OWN,
      findPublicKey,
      observers: [observer],
      logger: new RecordingLogger(),
    });
    const [other, third] = [createTestApp(), createTestApp()];
    for (const app of [caller, other, third]) await own.authenticateRequest(await signed(app));
    const attempt = { reason: 'absent', attempt: 1, durationMs };
    expect(observer.keyFetches).toEqual([
      { ...attempt, appUuid, found: true },
      { ...attempt, appUuid: other.appUuid, found: false },
      { ...attempt, appUuid: third.appUuid, found: true, code: 'unusable_public_key' },
    ]);
  });

  it('can be traced from start to end', async () => {
    const phases: [string, unknown][] = [];
    const note = (phase: string) => (message: unknown) =>
      void phases.push([phase, { ...(message as object) }]);
    const subscribers = {
      start: note('start'),
      end: note('end'),
      asyncStart: note('asyncStart'),
      asyncEnd: note('asyncEnd'),
      error: note('error'),
    };
    const traced = tracingChannel('nestjs-mauth:key_fetch');
    traced.subscribe(subscribers);
    try {
      mauth.fail(503, { times: 1 });
      await authenticator.authenticateRequest(await signed());
    } finally {
      traced.unsubscribe(subscribers);
    }
    expect(phases.map(([phase]) => phase)).toEqual([
      ...['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
      ...['start', 'end', 'asyncStart', 'asyncEnd'],
    ]);
    expect(phases[0]?.[1]).toEqual({ appUuid, reason: 'absent', attempt: 1 });
    // Neither the answer, which holds the key, nor the error as it was thrown.
    expect(phases.flatMap(([, seen]) => (seen as { result?: unknown }).result ?? [])).toEqual([]);
    const { error } = phases[4]?.[1] as { error: MAuthUnableToAuthenticateError };
    expect(error).toMatchObject({ code: 'service_unavailable', message: 'The attempt failed.' });
    expect(error.cause).toBeUndefined();
    expect(phases[4]?.[1]).toMatchObject({ status: 503, code: 'service_unavailable' });
    expect(phases[8]?.[1]).toMatchObject({ attempt: 2, status: 200, found: true });
  });
});

/** An error at which every look fails. */
function unreadable(): Error {
  return Object.defineProperty(new Error(), 'message', {
    get() {
      throw new Error('unreadable');
    },
  });
}

/** As those of another realm, or of a library: `instanceof Promise` does not know it. */
const foreignRejection = () => runInNewContext(`Promise.reject(new Error('no disk'))`) as Promise<void>;

describe('An observer that fails', () => {
  const failing: readonly [string, MAuthObserver][] = [
    [
      'throws',
      {
        authenticated: () => {
          throw new Error('no disk');
        },
        signed: () => {
          throw new Error('no disk');
        },
        keyFetched: () => {
          throw new Error('no disk');
        },
      },
    ],
    [
      'throws what cannot be read',
      {
        authenticated: () => {
          throw unreadable();
        },
        signed: async () => Promise.reject(unreadable()),
        keyFetched: async () => Promise.reject(unreadable()),
      },
    ],
    [
      'rejects by a promise of another make',
      { authenticated: foreignRejection, signed: foreignRejection, keyFetched: foreignRejection },
    ],
    [
      'rejects',
      {
        authenticated: async () => Promise.reject(new Error('no disk')),
        signed: async () => Promise.reject(new Error('no disk')),
        keyFetched: async () => Promise.reject(new Error('no disk')),
      },
    ],
  ];

  it.each(failing)('changes no answer, and the log says so (it %s)', async (name, broken) => {
    const isReadable = name !== 'throws what cannot be read';
    const [logger, after] = [new RecordingLogger(), new RecordedEvents()];
    const options = { ...OWN, observers: [broken, after], logger, logAttempts: false };
    const authenticator = new MAuthAuthenticator({ ...options, findPublicKey: () => caller.publicKey });
    const result = await authenticator.authenticateRequest(await signed());
    expect(result).toMatchObject({ authentic: true });
    const signer = new MAuthSigner(options);
    expect(Object.keys(await signer.signRequest({ method: 'GET', url: '/' }))).toHaveLength(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect([after.decisions, after.signatures, after.keyFetches].map(({ length }) => length)).toEqual([
      1, 1, 1,
    ]);
    const told = logger.lines.map(({ level, message }) => `${level}: ${message}`).sort();
    // What cannot be read cannot be told.
    expect(told).toEqual(
      isReadable
        ? [
            'error: MAuth: `authenticated` of one of the `observers` failed: no disk',
            'error: MAuth: `keyFetched` of one of the `observers` failed: no disk',
            'error: MAuth: `signed` of one of the `observers` failed: no disk',
          ]
        : [],
    );
  });
});

it('Outgoing requests tell of the signature that they carry', async () => {
  const observer = new RecordedEvents();
  const signer = new MAuthSigner({ ...OWN, observers: [observer], signVersions: 'v2' });
  const server = await FakeMAuthService.start();
  try {
    await signedFetch(fetch, signer)(`${server.url}/x`, { method: 'POST', body: 'four' });
  } finally {
    await server.stop();
  }
  expect(observer.signatures).toEqual([{ kind: 'request', versions: 'v2', bodyBytes: 4, durationMs }]);
});
