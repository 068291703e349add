/** Rooms that know nothing of Nest: they also serve Lambda functions, scripts and the command line. */
const CORE_ROOMS = ['lib/protocol/**', 'lib/signing/**', 'lib/keys/**', 'lib/authentication/**', 'lib/core.ts'];
const NO_NEST = { group: ['@nestjs/*'], message: 'The core rooms import nothing of Nest.' };

/** Imports point downwards only; each room may not reach for what stands above it. */
const above = (files, rooms) => ({
  files,
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          NO_NEST,
          { group: rooms.map((room) => `**/${room}/**`), message: 'Imports point downwards only (see CONTRIBUTING.md).' },
        ],
      },
    ],
  },
});

module.exports = {
  root: true,
  parser: '@typescript-eslint/parser',
  parserOptions: { project: 'tsconfig.json', sourceType: 'module' },
  plugins: ['@typescript-eslint'],
  extends: ['plugin:@typescript-eslint/recommended-type-checked'],
  ignorePatterns: ['.eslintrc.js', 'dist', 'coverage', 'reports', '.matrix', '.stryker-tmp'],
  rules: {
    '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
    eqeqeq: 'error',
    'no-console': 'error',
  },
  overrides: [
    { files: CORE_ROOMS, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [NO_NEST] }] } },
    above(['lib/protocol/**'], ['signing', 'keys', 'authentication', 'inbound', 'outbound']),
    above(['lib/signing/**'], ['keys', 'authentication', 'inbound', 'outbound']),
    above(['lib/keys/**'], ['authentication', 'inbound', 'outbound']),
    above(['lib/authentication/**'], ['inbound', 'outbound']),
    {
      files: ['test/**', 'sample/**'],
      rules: {
        'no-console': 'off',
        '@typescript-eslint/no-explicit-any': 'off',
        '@typescript-eslint/no-unsafe-assignment': 'off',
        '@typescript-eslint/no-unsafe-member-access': 'off',
        '@typescript-eslint/no-unsafe-argument': 'off',
        '@typescript-eslint/no-unsafe-call': 'off',
        '@typescript-eslint/no-unsafe-return': 'off',
        '@typescript-eslint/require-await': 'off',
        '@typescript-eslint/unbound-method': 'off',
      },
    },
  ],
};
