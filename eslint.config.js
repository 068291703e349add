// ESLint 10 reads only this file; the rules live in .eslintrc.js.
const { FlatCompat } = require('@eslint/eslintrc');
const rules = require('./.eslintrc.js');

module.exports = [
  { ignores: rules.ignorePatterns },
  { files: ['**/*.ts'] },
  ...new FlatCompat({ baseDirectory: __dirname })
    .config({ ...rules, ignorePatterns: undefined, root: undefined })
    .map((entry) => ({ files: ['**/*.ts'], ...entry })),
];
