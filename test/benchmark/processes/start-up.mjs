/** Starts an application, with the package or without, as ES modules or CommonJS, and says how long that took. */
import { createRequire } from 'node:module';

const { withPackage, format, appUuid, privatePem } = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const load = async (name) => (format === 'CommonJS' ? require(name) : import(name));

await load('reflect-metadata');
const { Module } = await load('@nestjs/common');
const { NestFactory } = await load('@nestjs/core');
await load('@nestjs/axios');
await load('@nestjs/platform-express');

const began = performance.now();
const mauth = withPackage && (await load('nestjs-mauth'));
const imported = performance.now();
const imports = mauth
  ? [mauth.MAuthModule.forRoot({ appUuid, privateKey: privatePem, mauthUrl: 'https://mauth.example.com' })]
  : [];
class Application {}
Module({ imports })(Application);
const app = await NestFactory.create(Application, { logger: false, abortOnError: false });
await app.init();
const started = performance.now();
process.send({ importing: imported - began, starting: started - imported });
process.on('disconnect', () => process.exit());
