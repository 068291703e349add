import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What the leg with Nest 11 installs instead of the versions in the project's package.json. */
const NEST_11 = {
  '@nestjs/apollo': '13.4.5',
  '@nestjs/axios': '4.0.1',
  '@nestjs/cache-manager': '3.1.3',
  '@nestjs/common': '11.2.10',
  '@nestjs/config': '4.0.4',
  '@nestjs/core': '11.2.10',
  '@nestjs/graphql': '13.4.5',
  '@nestjs/jwt': '11.0.2',
  '@nestjs/microservices': '11.2.6',
  '@nestjs/platform-express': '11.2.10',
  '@nestjs/platform-fastify': '11.2.8',
  '@nestjs/platform-ws': '11.2.6',
  '@nestjs/swagger': '11.4.7',
  '@nestjs/terminus': '11.1.1',
  '@nestjs/testing': '11.2.6',
  '@nestjs/throttler': '6.7.1',
  '@nestjs/websockets': '11.2.6',
};

/** Tools that no test of lib/ needs. */
const TOOLS =
  /^(@arethetypeswrong\/cli|@microsoft\/api-extractor|@eslint\/.*|@nestjs\/(cli|schematics)|@stryker-mutator\/.*|eslint|prettier|publint|rollup|rollup-plugin-dts|tslib|typescript-eslint)$/;

const ROOT = new URL('../../package.json', import.meta.url);

/** The package.json of the leg with Nest 11: the project's own with other versions of Nest and without tools. */
export function nest11Manifest() {
  const { version, engines, dependencies, devDependencies, overrides } = JSON.parse(
    readFileSync(ROOT, 'utf8'),
  );
  return {
    name: 'nestjs-mauth-with-nest-11',
    version,
    private: true,
    description: 'Written by: npm run test:matrix -- --update',
    engines,
    dependencies,
    devDependencies: Object.fromEntries(
      Object.entries(devDependencies)
        .filter(([name]) => !TOOLS.test(name))
        .map(([name, wanted]) => [name, nest11Version(name) ?? wanted]),
    ),
    overrides,
  };
}

function nest11Version(name) {
  if (!name.startsWith('@nestjs/')) return undefined;
  if (!NEST_11[name]) throw new Error(`Say in ${fileURLToPath(import.meta.url)} which ${name} fits Nest 11.`);
  return NEST_11[name];
}
