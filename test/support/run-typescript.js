/**
 * For `node --require`: runs the TypeScript of this repository as it is, compiled as Jest compiles it. For processes
 * of their own, of which a test wants to know what memory they take.
 */
const { transformSync } = require('@swc/core');
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { transform } = require('../../jest.config.js');

const [[, options]] = Object.values(transform);

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), { ...options, filename, swcrc: false });
  module._compile(code, filename);
};

// Imports name the files that the compiler would write.
const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...others) => {
  const isOurs = /^\.{1,2}\/.*\.js$/.test(request) && !others[0]?.filename?.includes('node_modules');
  if (!isOurs) return resolve(request, ...others);
  try {
    return resolve(request.replace(/\.js$/, '.ts'), ...others);
  } catch {
    return resolve(request, ...others);
  }
};
