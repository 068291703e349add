import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Consumer, developedWith, run, tarball } from './consumer.js';

const docs = readFileSync(join(__dirname, '../../docs/testing.md'), 'utf8');

/** The first block of code below a heading. */
function blockBelow(heading: string): string {
  const [, code] = /```(?:ts|js)\n([\s\S]*?)```/.exec(docs.slice(docs.indexOf(`${heading}\n`))) ?? [];
  if (!code) throw new Error(`docs/testing.md has no code below "${heading}"`);
  return code;
}

const CONTROLLER = `
import { Controller, Get } from '@nestjs/common';
import { AppUuid } from 'nestjs-mauth';

@Controller('studies')
export class StudiesController {
  @Get()
  studies(@AppUuid() caller: string) {
    return caller;
  }
}
`;
const TSCONFIG = JSON.stringify({
  compilerOptions: {
    target: 'ES2022',
    module: 'commonjs',
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    esModuleInterop: true,
    skipLibCheck: true,
    // What TypeScript 6 no longer takes of itself.
    types: ['node', 'jest'],
  },
});

const NEST_12 = ['common', 'core', 'platform-express', 'testing'].map((name) =>
  developedWith(`@nestjs/${name}`),
);
const NEST_11 = ['common', 'core', 'platform-express', 'testing'].map((name) => `@nestjs/${name}@11`);
const COMMON = ['reflect-metadata', 'rxjs', 'supertest'].map(developedWith);
const JEST = ['jest', '@swc/core', '@swc/jest'].map(developedWith);
const RUN_JEST = ['node_modules/jest/bin/jest.js'];

describe.each([
  {
    heading: '### Jest in CommonJS mode, with Nest 12',
    config: 'jest.config.js',
    manifest: {},
    packages: [...NEST_12, ...JEST],
    args: RUN_JEST,
  },
  {
    heading: '### Jest with ES modules, with Nest 12',
    config: 'jest.config.js',
    manifest: { type: 'module' },
    packages: [...NEST_12, ...JEST],
    args: ['--experimental-vm-modules', ...RUN_JEST],
  },
  {
    heading: '### Vitest, with Nest 12',
    config: 'vitest.config.mjs',
    manifest: {},
    packages: [...NEST_12, 'vitest@3', 'unplugin-swc@1', developedWith('@swc/core')],
    args: ['node_modules/vitest/vitest.mjs', 'run'],
  },
  {
    heading: '### ts-jest, with Nest 11',
    config: 'jest.config.js',
    manifest: {},
    packages: [
      ...NEST_11,
      developedWith('jest'),
      developedWith('typescript'),
      'ts-jest@29',
      '@types/jest@30',
      developedWith('@types/node'),
      '@types/supertest@6',
    ],
    args: RUN_JEST,
  },
])('$heading', ({ heading, config, manifest, packages, args }) => {
  const consumer = new Consumer(manifest);
  afterAll(() => consumer.remove());

  it('runs the test of the docs from the tarball', () => {
    consumer.install(tarball, ...COMMON, ...packages);
    consumer.write(config, blockBelow(heading));
    consumer.write('tsconfig.json', TSCONFIG);
    consumer.write('studies.controller.ts', CONTROLLER);
    consumer.write('studies.spec.ts', blockBelow('## End to end, without a network'));
    run(process.execPath, args, { cwd: consumer.folder, env: { CI: 'true' } });
  });
});
