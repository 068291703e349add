const EXHAUSTIVE = '\\.exhaustive\\.spec\\.ts$';
const isAll = process.env.MAUTH_TEST_ALL === 'true';

/** @type {import('jest').Config} */
module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // Two need a build and a registry (npm run check:package), one a process of its own (npm run test:memory); the last
  // ones try very many things, or wait for many: npm run test:all.
  testPathIgnorePatterns: [
    '/node_modules/',
    '/test/package/',
    '/test/release/',
    '/test/memory/',
    ...(isAll ? [] : [EXHAUSTIVE]),
  ],
  maxWorkers: '100%',
  testEnvironment: 'node',
  transform: {
    '^.+\\.[cm]?[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  // Published as ES modules only, which Jest in CommonJS mode has to transform: Nest 12, what Fastify's `inject` reads
  // cookies with, and parts of msw.
  transformIgnorePatterns: [
    '/node_modules/(?!(?:.+/node_modules/)?(?:@nestjs|cookie|@mswjs|rettime|until-async|@open-draft)/)',
  ],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // The samples name the package as its users do.
    '^nestjs-mauth$': '<rootDir>/lib/index.ts',
    '^nestjs-mauth/core$': '<rootDir>/lib/core.ts',
    '^nestjs-mauth/explain$': '<rootDir>/lib/explain/index.ts',
    '^nestjs-mauth/testing$': '<rootDir>/lib/testing/index.ts',
    '^nestjs-mauth/terminus$': '<rootDir>/lib/terminus/index.ts',
    '^nestjs-mauth/swagger$': '<rootDir>/lib/swagger/index.ts',
    '^nestjs-mauth/opentelemetry$': '<rootDir>/lib/opentelemetry/index.ts',
  },
  collectCoverageFrom: ['lib/**/*.ts'],
  coverageProvider: 'v8',
  coverageDirectory: 'coverage',
  coverageThreshold: { global: { lines: 95 } },
  testTimeout: 30_000,
};
