import fc from 'fast-check';
import { APPS, COOLDOWN, KeyWorld, NEGATIVE, STALE, type CausedQuestion } from '../support/key-world.js';

/** A pause with its jitter; three of them are how long a failure counts as news. */
const LONGEST_PAUSE = COOLDOWN * 1.2;
const NEWS = 3 * LONGEST_PAUSE;

type Step = (world: KeyWorld) => unknown;

const app = fc.constantFrom(...APPS);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(app, fc.nat(2))
      .map(([appUuid, ago]) =>
        named(`request ${appUuid[7]} -${ago}`, (world) => request(world, appUuid, ago)),
      ),
  },
  {
    weight: 5,
    arbitrary: fc.integer({ min: 1, max: 30 }).map((s) => named(`${s} s`, (world) => world.clock.advance(s))),
  },
  {
    weight: 3,
    arbitrary: fc
      .integer({ min: 30, max: 1000 })
      .map((s) => named(`${s} s`, (world) => world.clock.advance(s))),
  },
  {
    weight: 1,
    arbitrary: app.map((appUuid) => named(`rotate ${appUuid[7]}`, (world) => world.rotate(appUuid))),
  },
  {
    weight: 1,
    arbitrary: app.map((appUuid) => named(`revoke ${appUuid[7]}`, (world) => world.revoke(appUuid))),
  },
  {
    weight: 1,
    arbitrary: app.map((appUuid) => named(`invalidate ${appUuid[7]}`, (world) => world.invalidate(appUuid))),
  },
  {
    weight: 2,
    arbitrary: fc
      .boolean()
      .map((down) => named(down ? 'outage' : 'recovery', (world) => world.setDown(down))),
  },
);

describe('for any sequence of requests, rotations, revocations, outages, recoveries and time steps', () => {
  it('no key is accepted beyond the allowed staleness, current keys are, and the service is not asked too often', async () => {
    const runs = { accepted: 0, refused: 0, fetches: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(300, 900, 3600),
        fc.array(steps, { minLength: 5, maxLength: 80, size: 'max' }),
        async (lifetime, sequence) => {
          const world = new KeyWorld(lifetime);
          for (const step of sequence) if ((await step(world)) === 'accepted') runs.accepted++;
          for (const appUuid of APPS) assertFewFetches(world, appUuid);
          assertServiceIsLeftAlone(world.questions);
          runs.fetches += world.questions.length;
        },
      ),
      { numRuns: 500 },
    );
    console.log(`500 sequences: ${runs.accepted} requests accepted, ${runs.fetches} fetches`);
    expect(runs.accepted).toBeGreaterThan(1000);
  }, 120_000);
});

function named(name: string, step: Step): Step {
  return Object.assign((world: KeyWorld) => step(world), {
    toString: () => name,
    [fc.toStringMethod]: () => name,
  });
}

async function request(world: KeyWorld, appUuid: string, rotationsAgo: number): Promise<string> {
  const upFor = world.upFor;
  const accepted = await world.request(appUuid, rotationsAgo);
  if (accepted) {
    const allowed = world.lifetime + (upFor >= NEWS ? 0 : STALE);
    expect(world.staleness(accepted)).toBeLessThanOrEqual(allowed);
    return 'accepted';
  }
  // Nothing has happened for long enough that nothing remembered can stand in the way.
  const isQuiet = world.unchangedFor(appUuid) > NEGATIVE && upFor > NEGATIVE;
  expect(isQuiet && rotationsAgo === 0 && world.source.keys.has(appUuid)).toBe(false);
  return 'refused';
}

function assertFewFetches(world: KeyWorld, appUuid: string): void {
  const questions = world.questions.filter((question) => question.appUuid === appUuid);
  questions.forEach((question, index) => {
    const before = questions[index - 1];
    if (!before || isInvalidated(world, appUuid, before.at, question.at)) return;
    const gap = (question.at - before.at) / 1000;
    if (before.outcome === 'failure') expect(gap).toBeGreaterThanOrEqual(COOLDOWN);
    else if (before.outcome === 'unknown') expect(gap).toBeGreaterThanOrEqual(NEGATIVE);
    else if (question.cause === 'find') expect(gap).toBeGreaterThanOrEqual(world.lifetime * 0.8);
  });
  const forNewer = questions.filter(({ cause }) => cause === 'newer');
  forNewer.forEach((question, index) => {
    const before = forNewer[index - 1];
    if (!before || isInvalidated(world, appUuid, before.at, question.at)) return;
    // A key that went and came back in between starts afresh.
    if (questions.some(({ at, outcome }) => at >= before.at && at <= question.at && outcome === 'unknown'))
      return;
    expect((question.at - before.at) / 1000).toBeGreaterThanOrEqual(COOLDOWN);
  });
}

function isInvalidated(world: KeyWorld, appUuid: string, from: number, to: number): boolean {
  return world.invalidations.some(
    (call) => call.appUuid === appUuid && call.at * 1000 >= from && call.at * 1000 <= to,
  );
}

/** Once three apps in a row could not be looked up, one look-up in each cool-down is all that the service sees. */
function assertServiceIsLeftAlone(questions: readonly CausedQuestion[]): void {
  const failing = new Set<string>();
  let lastFailure = -Infinity;
  for (const { appUuid, at, outcome } of questions) {
    if (failing.size >= 3) expect((at - lastFailure) / 1000).toBeGreaterThanOrEqual(COOLDOWN);
    if (outcome !== 'failure') failing.clear();
    else {
      failing.add(appUuid);
      lastFailure = at;
    }
  }
}
