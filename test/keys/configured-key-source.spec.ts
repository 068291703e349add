import { randomUUID } from 'node:crypto';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { settingsOf } from '../support/key-settings.js';
import { findAll, outcomeOf, timed } from '../support/lookups.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const caller = createTestApp();
const weak = createTestApp(undefined, 1024);

describe('findPublicKey as the source', () => {
  const cacheOf = (
    findPublicKey: NonNullable<MAuthOptions['findPublicKey']>,
    options: Partial<MAuthOptions> = {},
  ) => {
    const { settings, signer } = settingsOf(own, { findPublicKey, service: { deadlineMs: 100 }, ...options });
    return createPublicKeys(settings, signer) as MAuthKeyCache;
  };

  it.each([
    ['a PEM', () => caller.publicKeyPem],
    ['a KeyObject', () => caller.publicKey],
    ['a promise of a PEM', () => Promise.resolve(caller.publicKeyPem)],
  ])('may answer %s', async (_what, find) => {
    expect((await cacheOf(find).find(caller.appUuid))?.equals(caller.publicKey)).toBe(true);
  });

  it.each<[string, string, NonNullable<MAuthOptions['findPublicKey']>]>([
    ['undefined', 'unknown', () => undefined],
    ['null', 'unknown', () => null as never],
    ['a rejection', 'key_lookup_failed', () => Promise.reject(new Error('the database is down'))],
    [
      'an exception',
      'key_lookup_failed',
      () => {
        throw new TypeError('a bug');
      },
    ],
    ['nothing, ever', 'key_lookup_failed', () => new Promise<never>(() => undefined)],
    ['a private key', 'unusable_public_key', () => caller.privateKey],
    ['the PEM of a private key', 'unusable_public_key', () => caller.privateKeyPem],
    ['a weak key', 'unusable_public_key', () => weak.publicKey],
    ['something else', 'unusable_public_key', () => 42 as never],
  ])('that answers %s makes the app %s', async (_what, outcome, find) => {
    const [found, took] = await timed(() => outcomeOf(cacheOf(find).find(caller.appUuid)));
    expect(found).toBe(outcome);
    expect(took).toBeLessThan(400);
  });

  it('is asked once for many requests, and again when its answer has expired', async () => {
    const clock = new SimulatedClock();
    let asked = 0;
    const keys = cacheOf(() => (asked++, caller.publicKey), { now: clock.now });
    await findAll(keys, Array<string>(20).fill(caller.appUuid));
    expect(asked).toBe(1);
    clock.advance(300);
    await keys.find(caller.appUuid);
    expect(asked).toBe(2);
  });

  it('keeps other apps going when it fails about some', async () => {
    const keys = cacheOf((appUuid) =>
      appUuid === caller.appUuid ? caller.publicKey : Promise.reject(new Error('no such app')),
    );
    for (let i = 0; i < 20; i++) await outcomeOf(keys.find(randomUUID()));
    expect(await outcomeOf(keys.find(caller.appUuid))).toBe('key');
  });

  it('goes before the MAuth service, and without either there are no keys', () => {
    const { settings, signer } = settingsOf(own, {});
    expect(createPublicKeys(settings, signer)).toBeUndefined();
  });
});
