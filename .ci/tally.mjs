/**
 * Sums up what Jest reported in reports/ and prints the last line of a run: `N passed, N failed`.
 * Nothing tested, or something skipped, is a failure.
 *
 *   node .ci/tally.mjs <steps passed> <steps failed>
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const [stepsPassed, stepsFailed] = process.argv.slice(2).map(Number);
const folder = new URL('../reports/', import.meta.url);
const reports = existsSync(folder)
  ? readdirSync(folder).filter((name) => /^(tests|memory|package|nest-.*)\.json$/.test(name))
  : [];

let passed = stepsPassed;
let failed = stepsFailed;
for (const name of reports) {
  const report = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  const skipped = report.numPendingTests + report.numTodoTests;
  console.log(
    `${name}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`,
  );
  for (const { fullName, status } of report.testResults.flatMap(({ assertionResults }) => assertionResults))
    if (status !== 'passed') console.log(`  ${status}: ${fullName}`);
  passed += report.numPassedTests;
  failed += report.numFailedTests + report.numRuntimeErrorTestSuites + skipped;
  if (report.numPassedTests === 0) failed++;
}
for (const wanted of ['tests.json', 'package.json']) {
  if (reports.includes(wanted)) continue;
  console.log(`${wanted}: nothing was tested`);
  failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
