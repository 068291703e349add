import { MAuthAuthenticator, MAuthSigner, type MAuthOptions } from '../../lib/core.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const rave = createTestApp();
const other = createTestApp();
const own = createTestApp();
const TIME = 1_700_000_000;
const REQUEST = { method: 'POST', url: '/studies?page=1', body: '{"name":"ACME-1"}' };
const signer = new MAuthSigner({ appUuid: rave.appUuid, privateKey: rave.privateKey, signVersions: 'v2' });

/** What an authenticator tells of one message, and in how many milliseconds at most it can have been decided. */
async function toldOf(
  ask: (authenticator: MAuthAuthenticator) => Promise<unknown>,
  options: Partial<MAuthOptions> = {},
): Promise<readonly [events: readonly object[], lines: readonly string[]]> {
  const observer = new RecordedEvents();
  const logger = new RecordingLogger();
  const authenticator = new MAuthAuthenticator({
    appUuid: own.appUuid,
    findPublicKey: (app) => (app === rave.appUuid ? rave.publicKey : undefined),
    now: () => TIME * 1000,
    logger,
    observers: [observer],
    ...options,
  });
  const begun = performance.now();
  await ask(authenticator);
  const elapsed = performance.now() - begun;
  const events = observer.decisions.map(({ durationMs, ...event }) => {
    expect(durationMs).toBeGreaterThanOrEqual(0);
    expect(durationMs).toBeLessThanOrEqual(elapsed);
    return event;
  });
  return [events, logger.lines.map(({ message }) => message).filter((line) => !line.includes('attempting'))];
}

const SUBJECT = { source: 'request', method: 'POST', path: '/studies' };
const APP = { appUuid: rave.appUuid, protocolVersion: 2, usedFallback: false };

describe('An authenticator tells once', () => {
  it('of an authentic request, and nothing to the log', async () => {
    const headers = await signer.signRequest(REQUEST, { time: TIME });
    expect(await toldOf((one) => one.authenticateRequest({ ...REQUEST, headers }))).toEqual([
      [{ outcome: 'authentic', ...SUBJECT, ...APP }],
      [],
    ]);
  });

  it('of a fallback to V1, to the log as well, with and without observers', async () => {
    const both = await signer.signRequest(REQUEST, { time: TIME, signVersions: 'v1,v2' });
    const broken = await signer.signRequest({ ...REQUEST, body: 'other' }, { time: TIME });
    const headers = { ...both, ...broken };
    const ask = (one: MAuthAuthenticator) => one.authenticateRequest({ ...REQUEST, headers });
    const line = 'Completed successful authentication attempt after fallback to v1';
    expect(await toldOf(ask)).toEqual([
      [{ outcome: 'authentic', ...SUBJECT, ...APP, protocolVersion: 1, usedFallback: true }],
      [expect.stringContaining(line)],
    ]);
    expect(await toldOf(ask, { observers: [] })).toEqual([[], [expect.stringContaining(line)]]);
  });

  it.each([
    ['other_message', rave, { ...REQUEST, body: 'other' }],
    ['other_key', other, REQUEST],
  ] as const)('why a signature does not match: %s', async (detail, app, signed) => {
    const signing = { appUuid: rave.appUuid, privateKey: app.privateKey, signVersions: 'v2' };
    const headers = await new MAuthSigner(signing).signRequest(signed, { time: TIME });
    const [events, lines] = await toldOf((one) => one.authenticateRequest({ ...REQUEST, headers }));
    expect(events).toEqual([
      { outcome: 'inauthentic', code: 'signature_mismatch', detail, ...SUBJECT, ...APP },
    ]);
    expect(lines).toEqual([expect.stringContaining(`(signature_mismatch: ${detail})`)]);
  });

  it('of a request that could not be decided', async () => {
    const headers = await signer.signRequest(REQUEST, { time: TIME });
    const findPublicKey = () => Promise.reject(new Error('down'));
    const ask = (one: MAuthAuthenticator) => one.authenticateRequest({ ...REQUEST, headers });
    const [events] = await toldOf(ask, { findPublicKey });
    expect(events).toEqual([{ outcome: 'undecided', code: 'key_lookup_failed', ...SUBJECT, ...APP }]);
  });

  it('of a copy', async () => {
    const headers = await signer.signRequest(REQUEST, { time: TIME });
    const twice = async (one: MAuthAuthenticator) => {
      await one.authenticateRequest({ ...REQUEST, headers });
      await one.authenticateRequest({ ...REQUEST, headers });
    };
    const [events] = await toldOf(twice, { replayProtection: true, v2OnlyAuthenticate: true });
    expect(events).toEqual([
      { outcome: 'authentic', ...SUBJECT, ...APP },
      { outcome: 'inauthentic', code: 'replayed', ...SUBJECT, ...APP },
    ]);
  });

  it('of responses, by status', async () => {
    const headers = await signer.signResponse({ status: 200, body: 'all' }, { time: TIME });
    for (const [body, decided] of [
      ['all', { outcome: 'authentic' }],
      ['none', { outcome: 'inauthentic', code: 'signature_mismatch', detail: 'other_message' }],
    ] as const) {
      const [events] = await toldOf((one) => one.authenticateResponse({ status: 200, headers, body }));
      expect(events).toEqual([{ ...decided, source: 'response', status: 200, ...APP }]);
    }
  });
});
