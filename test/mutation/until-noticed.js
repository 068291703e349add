const { default: circus } = require('jest-circus/runner');
const { createEmptyTestResult } = require('@jest/test-result');

/** Jest takes a file without any test for a mistake. */
const LEFT_OUT = {
  status: 'pending',
  title: 'left out',
  fullName: 'left out',
  ancestorTitles: [],
  failureMessages: [],
};
const noticed = require('./noticed.js');

/** Runs files of tests until one notices the mutant; the others would tell nothing new. */
module.exports = async (globalConfig, config, environment, runtime, testFilePath, ...rest) => {
  const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;
  if (mutant !== undefined && mutant === noticed.mutant)
    return { ...createEmptyTestResult(), testFilePath, testResults: [LEFT_OUT] };
  const result = await circus(globalConfig, config, environment, runtime, testFilePath, ...rest);
  if (mutant !== undefined && (result.numFailingTests > 0 || result.testExecError)) {
    noticed.mutant = mutant;
    noticed.by = [testFilePath, ...noticed.by.filter((path) => path !== testFilePath)];
  }
  return result;
};
