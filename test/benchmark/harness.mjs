/**
 * Measuring side by side: candidates take turns in rounds, so that whatever else the machine does meets them alike,
 * and ratios are taken within each round. Every result that is measured is checked: what fails is fast for nothing.
 */

/**
 * For how long and how often each candidate is measured. `--quick` only sees to it that everything works; `--seconds`
 * and `--rounds` are for whoever is developing.
 */
export function pace({ isQuick, seconds, rounds }, defaults) {
  if (isQuick) return { seconds: 0.002, rounds: 1 };
  return { ...defaults, seconds: seconds ?? defaults.seconds, rounds: rounds ?? defaults.rounds };
}

/** Samples of one figure, one per round. */
export class Samples {
  values = [];

  get median() {
    return median(this.values);
  }

  /** Half of the range in which the middle half of the rounds lies, in percent of the median. */
  get spread() {
    const sorted = this.values.toSorted((a, b) => a - b);
    const at = (part) => sorted[Math.round((sorted.length - 1) * part)];
    return ((at(0.75) - at(0.25)) / 2 / this.median) * 100;
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median over the rounds of one figure divided by another of the same round. */
export function ratio(above, below) {
  return median(above.values.map((value, round) => value / below.values[round]));
}

/**
 * Runs every candidate once per round, each round in another order, so that none has the same neighbour all the time.
 *
 * @param candidates names with functions that give figures, such as `{ rate, cpu }`
 * @param leads rounds in front that do not count: until the code of all candidates has been compiled
 * @param results of the same candidates before, which these are added to
 * @returns for each name the samples of each of its figures
 */
export async function interleave(candidates, rounds, leads = 0, results = {}) {
  const names = Object.keys(candidates);
  for (const name of names) results[name] ??= {};
  for (let round = -leads; round < rounds; round++) {
    for (const name of shuffled(names)) {
      const figures = await candidates[name]();
      if (round < 0) continue;
      for (const [figure, value] of Object.entries(figures))
        (results[name][figure] ??= new Samples()).values.push(value);
    }
  }
  return results;
}

function shuffled(names) {
  return names
    .map((name) => [Math.random(), name])
    .sort(([a], [b]) => a - b)
    .map(([, name]) => name);
}

/**
 * Microseconds that an operation takes, one after the other.
 *
 * @param operation may be asynchronous
 * @param holds whether its result is right
 */
export function timed(operation, holds, seconds) {
  return async () => {
    const first = operation();
    const isAsync = first instanceof Promise;
    expectHolds(holds, await first, operation);
    const run = isAsync ? repeatAsync : repeat;
    // Looking at the clock costs something beside operations of a microsecond, so it is done once per batch.
    const one = await run(operation, holds, 1);
    let batch = Math.max(1, Math.min(10_000, Math.floor((seconds * 1e6) / 4 / one)));
    let [count, micros] = [0, 0];
    while (micros < seconds * 1e6) {
      micros += await run(operation, holds, batch);
      count += batch;
      batch = Math.max(1, Math.min(10_000, Math.floor((seconds * 1e6 * count) / micros / 4)));
    }
    return { micros: micros / count };
  };
}

function repeat(operation, holds, times) {
  const start = performance.now();
  for (let i = 0; i < times; i++) if (!holds(operation())) expectHolds(holds, undefined, operation);
  return (performance.now() - start) * 1000;
}

async function repeatAsync(operation, holds, times) {
  const start = performance.now();
  for (let i = 0; i < times; i++) if (!holds(await operation())) expectHolds(holds, undefined, operation);
  return (performance.now() - start) * 1000;
}

function expectHolds(holds, result, operation) {
  if (!holds(result)) throw new Error(`It does not do what it is measured for: ${operation}`);
}

/** Throws unless what is measured does what it should. */
export function expect(isTrue, what) {
  if (!isTrue) throw new Error(`The benchmark does not measure what it should: ${what}`);
}

/** One line of the acceptance list: the measured figure beside the one that is wanted. */
export function target(name, value, { atMost, atLeast, above, unit = '' }) {
  const wanted =
    atMost !== undefined
      ? `at most ${atMost}`
      : atLeast !== undefined
        ? `at least ${atLeast}`
        : `above ${above}`;
  const isMet =
    (atMost === undefined || value <= atMost) &&
    (atLeast === undefined || value >= atLeast) &&
    (above === undefined || value > above);
  return { name, value: rounded(value), wanted: wanted + unit, isMet };
}

/** Four digits, for nobody needs more of a measurement. */
export function rounded(value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
