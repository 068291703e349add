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
const DOWNWARDS = 'Imports point downwards only (see CONTRIBUTING.md).';
const ROOF = [
  '**/index.js',
  '**/core.js',
  '**/mauth.module.js',
  '**/mauth.module-options.js',
  '!**/protocol/index.js',
];
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
const SETTINGS = ['**/mauth.options.js', '**/mauth.settings.js', '**/mauth.errors.js', '**/mauth.env.js'];

/** Subpath exports of their own: the main entry and all other rooms know nothing of them. */
const ASIDE = ['kms', 'lambda', 'testing', 'terminus', 'swagger', 'cli'];

/** What one room may not import. An override replaces the rule's options as a whole, so each names all of them. */
const room = (files, { above, also = [], except = [], isRoof = false }) => ({
  files,
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          ...also,
          NO_AXIOS,
          NEST_ROOTS,
          {
            group: [...above, ...ASIDE].map((name) => `**/${name}/**`).concat(isRoof ? [] : ROOF, except),
            message: DOWNWARDS,
          },
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
  ignorePatterns: ['.eslintrc.js', '**/dist', 'coverage', 'reports', '.matrix', '.stryker-tmp'],
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
    room(['lib/core.ts'], {
      above: ['outbound'],
      also: [NO_NEST],
      // Works with the built-in fetch, and knows nothing of Nest either.
      except: ['!**/outbound/signed-fetch.js', '!**/outbound/signing-options.js'],
    }),
    room(['lib/mauth.{options,settings,errors,env,env-names}.ts'], {
      above: ['inbound', 'doors', 'outbound'],
      also: [NO_NEST],
    }),
    room(['lib/protocol/**/*.ts'], {
      above: ['signing', 'keys', 'authentication', 'inbound', 'doors', 'outbound'],
      also: [NO_NEST, { group: SETTINGS, message: 'The protocol room imports nothing of ours.' }],
    }),
    room(['lib/signing/**/*.ts'], {
      above: ['keys', 'authentication', 'inbound', 'doors', 'outbound'],
      also: [NO_NEST],
    }),
    room(['lib/keys/**/*.ts'], {
      above: ['authentication', 'inbound', 'doors', 'outbound'],
      also: [NO_NEST],
    }),
    room(['lib/authentication/**/*.ts'], { above: ['inbound', 'doors', 'outbound'], also: [NO_NEST] }),
    room(['lib/inbound/**/*.ts'], { above: ['doors', 'outbound'] }),
    // The half of it that serves without Nest, too.
    room(
      [
        'lib/inbound/{arrival,door,exempt-paths,fastify-hooks,platform,reception,request-authenticator,sent-target,wire-body}.ts',
      ],
      {
        above: ['doors', 'outbound'],
        also: [NO_NEST],
      },
    ),
    room(['lib/doors/**/*.ts'], { above: ['outbound'], also: [NO_NEST] }),
    room(['lib/outbound/**/*.ts'], { above: ['inbound', 'doors'] }),
    // What `signedFetch` is made of serves without Nest, too.
    room(
      [
        'lib/outbound/{signed-fetch,signing-options,fetch-body,fetch-request,request-body,stream-bytes,signed-origins,header-fields,redirect-rules,request-signature,error-in-words,clean-outcome,detached-body,hidden-connections,sent-request,signature-traces}.ts',
      ],
      { above: ['inbound', 'doors'], also: [NO_NEST] },
    ),
    room(['lib/index.ts', 'lib/mauth.module.ts'], { above: [], isRoof: true }),
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
