const base = require('../../jest.config.js');

/** What memory a process takes can only be told of a process that does nothing else. */
module.exports = {
  ...base,
  roots: ['<rootDir>/test/memory'],
  testPathIgnorePatterns: ['/node_modules/'],
};
