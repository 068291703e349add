// Workers inherit it.
process.env.MAUTH_TEST_ALL = 'true';

/** All tests, also those that try very many things or wait for many. */
module.exports = require('../jest.config.js');
