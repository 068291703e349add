/** @type {import('jest').Config} */
module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // One needs a packed tarball (npm run check:package), the other a process of its own (npm run test:memory).
  testPathIgnorePatterns: ['/node_modules/', '/test/package/', '/test/memory/'],
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
  // Nest 12 is published as ES modules only, and so is what Fastify's `inject` reads cookies with; Jest in CommonJS
  // mode has to transform them.
  transformIgnorePatterns: ['/node_modules/(?!@nestjs/|(?:.+/node_modules/)?cookie/)'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // The samples name the package as its users do.
    '^nestjs-mauth$': '<rootDir>/lib/index.ts',
    '^nestjs-mauth/core$': '<rootDir>/lib/core.ts',
    '^nestjs-mauth/testing$': '<rootDir>/lib/testing/index.ts',
  },
  collectCoverageFrom: ['lib/**/*.ts'],
  coverageProvider: 'v8',
  coverageDirectory: 'coverage',
  coverageThreshold: { global: { lines: 95 } },
  testTimeout: 30_000,
};
