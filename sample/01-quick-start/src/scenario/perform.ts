import { type Call, type Outcome } from './call.js';
import { type LogLines } from './log-lines.js';

/** Performs the calls one after the other and compares each with what was expected. */
export async function perform(calls: readonly Call[], log: LogLines): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { title, expected, send } of calls) {
    const { status, data } = await send();
    const isRefused = status >= 400;
    const why = isRefused ? log.takeReasons().join(', ') : expected.why;
    const asExpected =
      status === expected.status && why === expected.why && contains(data, expected.answer ?? {});
    outcomes.push({ title, expected, status, why: asExpected || isRefused ? why : '', asExpected });
  }
  return outcomes;
}

function contains(answer: unknown, wanted: object): boolean {
  if (typeof answer !== 'object' || answer === null) return false;
  return Object.entries(wanted).every(([name, value]) => (answer as Record<string, unknown>)[name] === value);
}
