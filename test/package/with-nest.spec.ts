import { Consumer, developedWith, tarball } from './consumer.js';

/** What an application installs, and how it turns out for each version of Nest. */
const NEST: readonly (readonly [version: string, packages: readonly string[]])[] = [
  ['12', ['@nestjs/axios', '@nestjs/common', '@nestjs/core', '@nestjs/platform-express'].map(developedWith)],
  ['11', ['@nestjs/axios@4', '@nestjs/common@11', '@nestjs/core@11', '@nestjs/platform-express@11']],
];
const COMPILER_OPTIONS = {
  target: 'ES2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  // Declarations of ours and of our peers alike have to hold.
  skipLibCheck: false,
  types: ['node'],
};

/** A module of one build with decorators of the other, as a user's tools may mix them. */
const MIXED = `
import 'reflect-metadata';
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as esm from 'nestjs-mauth';

const cjs = createRequire(import.meta.url)('nestjs-mauth');
if (cjs.MAuthGuard === esm.MAuthGuard) throw new Error('there is only one build');

async function statuses(decorators, { MAuthModule }, protect) {
  const controller = class {
    closed() {}
    open() {}
  };
  Controller()(controller);
  for (const name of ['closed', 'open'])
    Get(name)(controller.prototype, name, Object.getOwnPropertyDescriptor(controller.prototype, name));
  decorators.RequiresMAuth()(controller);
  decorators.Public()(controller.prototype, 'open', Object.getOwnPropertyDescriptor(controller.prototype, 'open'));
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const module = class {};
  const options = { appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e', findPublicKey: () => publicKey, protect };
  Module({ imports: [MAuthModule.forRoot(options)], controllers: [controller] })(module);
  const app = await NestFactory.create(module, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const origin = 'http://127.0.0.1:' + app.getHttpServer().address().port;
  const answers = [await fetch(origin + '/closed'), await fetch(origin + '/open')];
  await app.close();
  return answers.map(({ status }) => status);
}

const outcomes = [];
for (const protect of ['decorated', 'routes'])
  outcomes.push(await statuses(esm, cjs, protect), await statuses(cjs, esm, protect));
console.log(JSON.stringify(outcomes));
`;

/** A root module, with decorators as a compiler writes them. */
const ROOT_MODULE = `
class StudiesController { list() {} }
Controller('studies')(StudiesController);
Get()(StudiesController.prototype, 'list', Object.getOwnPropertyDescriptor(StudiesController.prototype, 'list'));
RequiresMAuth()(StudiesController);
class AppModule {}
const options = { appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e', findPublicKey: () => undefined };
Module({ imports: [MAuthModule.forRoot(options)], controllers: [StudiesController] })(AppModule);
`;

describe.each(NEST)('with Nest %s', (_version, packages) => {
  const consumer = new Consumer();
  beforeAll(() => {
    consumer.install(tarball, ...packages, developedWith('axios'), developedWith('@types/node'));
    for (const file of ['app.ts', 'types.ts']) consumer.copy(`test/package/consumer-app/${file}`, file);
  });
  afterAll(() => consumer.remove());

  it.each([
    [
      'CommonJS',
      'app.module.cjs',
      `require('reflect-metadata');
       const { Controller, Get, Module } = require('@nestjs/common');
       const { MAuthModule, RequiresMAuth } = require('nestjs-mauth');
       ${ROOT_MODULE} exports.AppModule = AppModule;`,
    ],
    [
      'ES modules',
      'app.module.mjs',
      `import 'reflect-metadata';
       import { Controller, Get, Module } from '@nestjs/common';
       import { MAuthModule, RequiresMAuth } from 'nestjs-mauth';
       ${ROOT_MODULE} export default AppModule;`,
    ],
  ])('the command line lists the routes of an application of %s', (_format, file, text) => {
    consumer.write(file, text);
    expect(consumer.shell(`npx --no-install mauth routes ${file}`)).toBe(
      'GET  /studies  required  StudiesController.list\n',
    );
  });

  it.each([
    ['terminus', '@nestjs/terminus'],
    ['swagger', '@nestjs/swagger'],
    ['opentelemetry', '@opentelemetry/api'],
  ])('nestjs-mauth/%s says which package is missing', (entry, missing) => {
    consumer.write('missing.cjs', `require('nestjs-mauth/${entry}');`);
    expect(() => consumer.node('missing.cjs')).toThrow(
      `MAuthConfigurationError: nestjs-mauth/${entry} needs ${missing}, and cannot find it: npm install ${missing}.`,
    );
    // Among ES modules Node looks for all that is imported before any of it runs.
    consumer.write('missing.mjs', `import 'nestjs-mauth/${entry}';`);
    expect(() => consumer.node('missing.mjs')).toThrow(`Cannot find package '${missing}' imported from`);
  });

  it.each([
    ['as CommonJS', { module: 'nodenext', moduleResolution: 'nodenext' }, 'commonjs'],
    ['as ES modules', { module: 'nodenext', moduleResolution: 'nodenext' }, 'module'],
    ['for a bundler', { module: 'esnext', moduleResolution: 'bundler' }, 'module'],
  ])('an application compiles and runs %s', (_format, options, type) => {
    consumer.write('package.json', consumer.manifest({ type }));
    consumer.write('tsconfig.json', JSON.stringify({ compilerOptions: { ...COMPILER_OPTIONS, ...options } }));
    consumer.tsc('-p', 'tsconfig.json');
    expect(JSON.parse(consumer.node('app.js'))).toEqual({
      unsigned: 401,
      open: 200,
      signed: { caller: '5ff4257e-9c16-11e0-b048-0026bbfffe5e', protocolVersion: 1 },
      verified: true,
    });
  });

  it('decorators of one build are heeded by the module of the other', () => {
    consumer.write('mixed.mjs', MIXED);
    expect(JSON.parse(consumer.node('mixed.mjs'))).toEqual(Array(4).fill([401, 200]));
  });
});
