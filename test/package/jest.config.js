const base = require('../../jest.config.js');

/** Tests of the packed tarball. They need a registry, so they are not part of `npm test`. */
module.exports = {
  ...base,
  rootDir: base.rootDir,
  roots: ['<rootDir>/test/package'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/package/pack.js',
  testTimeout: 300_000,
};
