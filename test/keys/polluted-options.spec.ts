import { resolveSettings } from '../../lib/config/settings.js';
import { KeyMemory } from '../../lib/keys/key-memory.js';
import { createTestApp } from '../support/test-app.js';

/** What lru-cache takes as options of its own and of its methods. */
const NAMES = [
  'status',
  'ttl',
  'ttlAutopurge',
  'start',
  'size',
  'sizeCalculation',
  'maxSize',
  'maxEntrySize',
  'allowStale',
  'updateAgeOnGet',
  'updateAgeOnHas',
  'noUpdateTTL',
  'noDeleteOnStaleGet',
  'noDisposeOnSet',
  'dispose',
  'disposeAfter',
  'onInsert',
  'fetchMethod',
  'memoMethod',
  'perf',
];
const app = createTestApp();
const other = createTestApp();

/** What is known of apps after the life of a few keys. */
function life(): unknown[] {
  const memory = new KeyMemory(resolveSettings({ appUuid: app.appUuid, findPublicKey: () => undefined }));
  const found = {
    key: app.publicKey,
    fetchedAt: { wall: Date.now(), monotonic: performance.now() },
    lifetime: 300_000,
  };
  memory.admit(app.appUuid, found, false);
  memory.noteVerified(app.appUuid);
  memory.noteFailure(other.appUuid, new Error('down'));
  const seen = [app, other].map(({ appUuid }) => [
    memory.has(appUuid),
    memory.isVerified(appUuid),
    memory.peek(appUuid)?.key === app.publicKey,
    memory.use(appUuid)?.constructor.name,
    memory.stateOf(memory.use(appUuid)),
  ]);
  memory.forget(app.appUuid);
  return [...seen, memory.size];
}

describe('The memory of keys', () => {
  it.each(NAMES)('does not heed a %s on Object.prototype', (name) => {
    const expected = life();
    for (const value of ['polluted', 1, () => 'polluted']) {
      Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
      let outcome: unknown;
      try {
        outcome = life();
      } catch (error) {
        outcome = error;
      } finally {
        delete (Object.prototype as Record<string, unknown>)[name];
      }
      expect(outcome).toEqual(expected);
    }
  });
});
