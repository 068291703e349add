const base = require('../../jest.config.js');

/** The tests of the core, without those that try every string of some length. */
module.exports = {
  ...base,
  testMatch: ['**/test/{protocol,signing,authentication,options}/**/*.spec.ts'],
  testPathIgnorePatterns: [...base.testPathIgnorePatterns, 'exhaustive'],
  coverageThreshold: undefined,
};
