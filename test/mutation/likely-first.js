const { statSync } = require('node:fs');
const { default: Sequencer } = require('@jest/test-sequencer');
const noticed = require('./noticed.js');

/** A mutant is left as soon as a file of tests notices it: those that noticed others go first, then small ones. */
module.exports = class LikelyFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) =>
      noticed.by.includes(path) ? noticed.by.indexOf(path) : statSync(path).size + 100;
    return [...tests].sort((a, b) => rank(a) - rank(b));
  }
};
