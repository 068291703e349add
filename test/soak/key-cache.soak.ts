import { randomUUID } from 'node:crypto';
import { cpus } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createPublicKeys } from '../../lib/authentication/authenticator-parts.js';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { settingsOf } from '../support/key-settings.js';
import { figures, findAll, outcomeOf, timed } from '../support/lookups.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';

/**
 * What the tests of the key cache do under a simulated clock, here in real time and over real HTTP: `npm run soak`.
 * Half an hour in all; shorter with MAUTH_SOAK_MINUTES (10) and MAUTH_SOAK_APPS (1,000,000).
 */
const MINUTES = Number(process.env.MAUTH_SOAK_MINUTES ?? 10);
const MADE_UP_APPS = Number(process.env.MAUTH_SOAK_APPS ?? 1_000_000);
const MEBIBYTE = 1024 * 1024;

const own = createTestApp();
const caller = createTestApp();
const known = Array.from({ length: 20 }, () => randomUUID());
const note = figures();
note(
  'date and machine',
  `${new Date().toISOString()}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`,
);

let service: MAuthServiceStandIn;
let keys: MAuthKeyCache;

beforeEach(async () => {
  service = await MAuthServiceStandIn.start({ apps: [own] });
  for (const appUuid of known) service.register({ ...caller, appUuid });
  const { settings, signer } = settingsOf(own, { mauthUrl: service.url });
  keys = createPublicKeys(settings, signer) as MAuthKeyCache;
  await findAll(keys, known);
  for (const appUuid of known) keys.noteVerified(appUuid);
});
afterEach(async () => {
  keys.close();
  await service.stop();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes, after everything that can go has gone. */
function memoryInUse(): { heap: number; rss: number } {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

describe('in real time', () => {
  it(`a flood of ${MADE_UP_APPS} made-up apps delays no known app, and memory stays bounded`, async () => {
    const wave = 500;
    service.latency(20);
    const outcomes = new Map<string, number>();
    const underWay = new Set<Promise<void>>();
    let delayed = 0;
    let atTenth: ReturnType<typeof memoryInUse> | undefined;
    const [, took] = await timed(async () => {
      for (let asked = 0; asked < MADE_UP_APPS; asked += wave) {
        for (let number = 0; number < wave; number++) {
          const end = outcomeOf(keys.find(randomUUID())).then((outcome) => {
            outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
            underWay.delete(end);
          });
          underWay.add(end);
        }
        // A key that is at hand comes without a promise.
        delayed += known.filter((appUuid) => keys.find(appUuid) instanceof Promise).length;
        service.forgetRequests();
        await wait(40);
        if (asked >= MADE_UP_APPS / 10) atTenth ??= memoryInUse();
      }
      await Promise.all(underWay);
    });
    const after = memoryInUse();
    const before = atTenth ?? after;
    const grown = { heap: (after.heap - before.heap) / MEBIBYTE, rss: (after.rss - before.rss) / MEBIBYTE };
    note(
      `${MADE_UP_APPS} made-up apps`,
      `${(took / 1000).toFixed(0)} s; ${[...outcomes].map(([code, count]) => `${count} ${code}`).join(', ')}; ` +
        `at most ${service.mostOpen} questions open; ${delayed} of ${(MADE_UP_APPS / wave) * known.length} look-ups of known apps delayed; ` +
        `heap ${grown.heap.toFixed(1)} MiB and RSS ${grown.rss.toFixed(1)} MiB more than after the first tenth`,
    );
    expect(delayed).toBe(0);
    expect(service.mostOpen).toBeLessThanOrEqual(50);
    expect(grown.heap).toBeLessThan(20);
    expect([...outcomes.keys()].sort()).toEqual(['too_many_lookups', 'unknown']);
  });

  it.each([
    ['refuses connections', () => service.stop(), () => service.restart()],
    ['hangs', async () => service.fail('hang'), async () => service.fail(undefined)],
  ])(`an outage of ${MINUTES} minutes in which the service %s`, async (how, breakDown, recover) => {
    await breakDown();
    const asked = keys.stats().fetches;
    const slowest = { known: 0, unknown: 0, firstUnknown: 0 };
    const counts = { served: 0, lost: 0, unknown: 0 };
    const end = Date.now() + MINUTES * 60_000;
    const start = Date.now();
    while (Date.now() < end) {
      const [outcomes, took] = await timed(() =>
        Promise.all(known.map(async (app) => outcomeOf(keys.find(app)))),
      );
      for (const outcome of outcomes) counts[outcome === 'key' ? 'served' : 'lost']++;
      slowest.known = Math.max(slowest.known, took);
      const [outcome, tookUnknown] = await timed(() => outcomeOf(keys.find(randomUUID())));
      expect(outcome).toBe('service_unavailable');
      counts.unknown++;
      // Until three look-ups have failed it is not known that the service is down.
      const phase = Date.now() - start < 15_000 ? 'firstUnknown' : 'unknown';
      slowest[phase] = Math.max(slowest[phase], tookUnknown);
      await wait(250);
    }
    const fetches = keys.stats().fetches - asked;

    await recover();
    const [, recovery] = await timed(async () => {
      while ((await outcomeOf(keys.find(caller.appUuid))) === 'service_unavailable') await wait(250);
    });
    note(
      `outage of ${MINUTES} minutes: the service ${how}`,
      `${counts.served} of ${counts.served + counts.lost} requests of known apps served (slowest ${slowest.known.toFixed(0)} ms); ` +
        `${counts.unknown} unknown apps 503 in at most ${slowest.unknown.toFixed(0)} ms (in the first 15 s ${slowest.firstUnknown.toFixed(0)} ms); ` +
        `${fetches} fetches; recovery in ${(recovery / 1000).toFixed(1)} s`,
    );
    expect(counts.lost).toBe(0);
    expect(recovery).toBeLessThan(30_000);
  });
});
