// Inherited by the test processes. Few random cases suffice to notice a mutant; thousands would only take time.
process.env.MAUTH_FUZZ_RUNS ??= '50';

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: ['lib/protocol/**/*.ts', 'lib/authentication/**/*.ts'],
  testRunner: 'jest',
  jest: { configFile: 'test/mutation/jest.config.js', enableFindRelatedTests: false },
  // Not `perTest`: Jest is then told the names of the tests as one expression, and thousands of names take it longer
  // than the tests themselves.
  coverageAnalysis: 'all',
  concurrency: 2,
  timeoutMS: 5_000,
  tempDirName: '.stryker-tmp',
  ignorePatterns: ['/dist', '/sample/**/dist', '/coverage', '/reports', '/.matrix', '*.tgz'],
  reporters: ['clear-text', 'progress-append-only', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'reports/mutation/index.html' },
  thresholds: { high: 95, low: 85, break: 85 },
};
