const NO_NEST = {
  group: ['@nestjs', '@nestjs/*'],
  message:
    'The core rooms know nothing of Nest: they also serve Lambda functions, scripts and the command line.',
};
const NO_AXIOS = {
  regex: '^axios(/|$)',
  allowTypeImports: true,
  message:
    'CommonJS code beside an ES-module-only @nestjs/axios loads two copies of axios: take the instance from HttpService.',
};
const NEST_ROOTS = {
  group: ['@nestjs/*/*'],
  message: 'Only the roots of Nest packages resolve under every supported version.',
};
/** From the bottom to the top: a room imports from the rooms before it, never from one behind it. */
const ROOMS = [
  'protocol',
  'config',
  'events',
  'signing',
  'service',
  'keys',
  'authentication',
  'http',
  'outbound',
  'nest',
];
/** Subpath exports of their own: no room and neither front door knows of them. */
const SUBPATHS = ['kms', 'lambda', 'testing', 'explain', 'terminus', 'swagger', 'opentelemetry', 'cli'];
/** What is written for Nest; everything else also serves without it. */
const FOR_NEST = ['nest', 'outbound/axios', 'testing', 'terminus', 'swagger'];
const FRONT_DOORS = ['**/index.js', '**/core.js', '!**/protocol/index.js'];
/** Test frameworks replace these after our files were loaded, so none is kept as a value. */
const CLOCK_CALLED = {
  selector: [
    "MemberExpression[object.name=/^(Date|performance)$/][property.name='now']:not(CallExpression > .callee)",
    'Identifier[name=/^(set|clear)(Timeout|Interval|Immediate)$/]:not(CallExpression > .callee)',
    'VariableDeclarator[id.type="ObjectPattern"][init.name=/^(Date|performance|globalThis)$/]',
    'ImportDeclaration[source.value=/^(node:)?(timers|perf_hooks)/]',
  ].join(', '),
  message:
    'Call clocks and timers by their global names each time: fake timers are put there after this file is loaded.',
};
/** What a folder may not import. An override replaces the options of the rule as a whole, so each names all of them. */
const closed = (files, folders, patterns = [NO_NEST], open = []) => ({
  files,
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          ...patterns,
          NO_AXIOS,
          NEST_ROOTS,
          {
            group: [...folders.map((folder) => `**/${folder}/**`), ...FRONT_DOORS, ...open],
            message: 'Imports point downwards only (see CONTRIBUTING.md).',
          },
        ],
      },
    ],
  },
});
const everyFile = (folder) => [`lib/${folder}/**/*.ts`];
/** Requests that come in and requests that go out know nothing of each other. */
const beside = (name) => (name === 'outbound' ? ['http'] : []);
const above = (name) => [...ROOMS.slice(ROOMS.indexOf(name) + 1), ...beside(name), ...SUBPATHS];

module.exports = {
  root: true,
  parser: '@typescript-eslint/parser',
  parserOptions: { project: 'tsconfig.json', sourceType: 'module' },
  plugins: ['@typescript-eslint'],
  extends: ['plugin:@typescript-eslint/recommended-type-checked'],
  ignorePatterns: ['.eslintrc.js', '**/dist', '.build', 'coverage', 'reports', '.matrix', '.stryker-tmp'],
  rules: {
    '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
    eqeqeq: 'error',
    'no-console': 'error',
  },
  overrides: [
    {
      files: ['lib/**/*.ts'],
      rules: {
        '@typescript-eslint/no-restricted-imports': ['error', { patterns: [NO_AXIOS, NEST_ROOTS] }],
        'no-restricted-syntax': ['error', CLOCK_CALLED],
      },
    },
    ...ROOMS.map((name) => closed(everyFile(name), above(name), name === 'nest' ? [] : [NO_NEST])),
    closed(['lib/outbound/*.ts', ...everyFile('outbound/fetch')], [...above('outbound'), 'axios']),
    closed(everyFile('outbound/axios'), above('outbound'), []),
    ...SUBPATHS.map((name) =>
      FOR_NEST.includes(name) ? closed(everyFile(name), [], []) : closed(everyFile(name), FOR_NEST),
    ),
    // `mauth serve` runs it; the file itself knows nothing of Nest.
    closed(everyFile('cli'), FOR_NEST, [NO_NEST], ['!**/testing/fake-mauth-service.js']),
    // The one command that starts an application.
    closed(['lib/cli/commands/routes.ts'], ['testing', 'terminus', 'swagger'], []),
    closed(['lib/core.ts'], ['nest', 'outbound/axios', ...SUBPATHS]),
    {
      files: ['lib/index.ts'],
      rules: {
        '@typescript-eslint/no-restricted-imports': [
          'error',
          {
            patterns: [
              NO_AXIOS,
              NEST_ROOTS,
              { group: SUBPATHS.map((name) => `**/${name}/**`), message: 'A subpath export.' },
            ],
          },
        ],
      },
    },
    {
      files: ['test/**/*.ts', 'sample/**/*.ts'],
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
