import { type Outcome } from './call.js';

/** The outcomes, one a line. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ title, expected, status, why, asExpected }) => [
    title,
    String(expected.status),
    String(status),
    why,
    asExpected ? 'as expected' : 'NOT AS EXPECTED',
  ]);
  const all = [['call', 'expected', 'status', 'why', ''], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
