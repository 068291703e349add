const base = require('../../jest.config.js');

/** Tests of the packed tarball, and of what is checked before a release. They need a registry, so they are not part of `npm test`. */
module.exports = {
  ...base,
  rootDir: base.rootDir,
  roots: ['<rootDir>/test/package', '<rootDir>/test/release'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/package/pack.js',
  testTimeout: 300_000,
};
