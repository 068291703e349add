const base = require('../../jest.config.js');

/** The tests of the core, without those that try every string of some length. */
module.exports = {
  ...base,
  testMatch: ['**/test/{protocol,signing,authentication,config}/**/*.spec.ts'],
  testPathIgnorePatterns: [...base.testPathIgnorePatterns, '\\.exhaustive\\.spec\\.ts$'],
  coverageThreshold: undefined,
  testSequencer: '<rootDir>/test/mutation/likely-first.js',
  testRunner: '<rootDir>/test/mutation/until-noticed.js',
  // A mutant that never answers is one that is noticed.
  testTimeout: 10_000,
};
