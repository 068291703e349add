import serverlessExpress from '@codegenie/serverless-express';
import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as library from '../../lib/index.js';
import { kmsDecryptor } from '../../lib/kms/index.js';
import * as lambda from '../../lib/lambda/index.js';
import { KmsStandIn, provideAwsEnvironment } from '../kms/kms-stand-in.js';
import { exampleInPage, exampleOf, runExample } from '../support/examples.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';
import { httpApi } from './gateway-events.js';

const us = createTestApp();
const caller = createTestApp();
const TARGET = '/prod/studies?page=1';

describe('The example of', () => {
  let service: MAuthServiceStandIn;

  beforeEach(async () => {
    service = await MAuthServiceStandIn.start({ apps: [us, caller] });
    jest.spyOn(console, 'log').mockReturnValue();
    jest.spyOn(console, 'warn').mockReturnValue();
    jest.replaceProperty(process, 'env', {
      ...process.env,
      APP_UUID: us.appUuid,
      PRIVATE_KEY: us.privateKeyPem,
      MAUTH_URL: service.url,
    });
    // What is configured from the environment is so once in the life of a function, and here each test is one.
    jest.resetModules();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await service.stop();
  });

  const freshLambda = () => jest.requireActual<typeof lambda>('../../lib/lambda/index.js');

  async function signedHeaders(method: string, body?: string) {
    const signer = new library.MAuthSigner({
      appUuid: caller.appUuid,
      privateKey: caller.privateKey,
      signVersions: 'v2',
    });
    return signer.signRequest({ method, url: TARGET, body });
  }

  const eventOf = (headers: Record<string, string>) =>
    httpApi.event({ method: 'GET', target: TARGET, headers });

  /** A handler that returns early where a request is refused. */
  const asHandler = (example: string) =>
    `const handler = async (event, headers, body) => {\n${example}\nreturn 'passed';\n};`;

  it('LambdaAuthenticator', async () => {
    const example = exampleOf('lib/lambda/lambda-authenticator.ts', 'export class LambdaAuthenticator');
    const { handler } = await runExample(asHandler(example), { ...freshLambda() }, '{ handler }');
    const headers = await signedHeaders('POST', '{}');
    expect(await handler(undefined, headers, '{}')).toBe('passed');
    expect(console.log).toHaveBeenCalledWith(`called by ${caller.appUuid}`);
    expect(await handler(undefined, headers, '[]')).toMatchObject({ statusCode: 401 });
  });

  it.each([
    ['authenticateEvent', 'lib/lambda/event-authenticator.ts', 'export function authenticateEvent'],
    ['its method', 'lib/lambda/event-authenticator.ts', 'async authenticateEvent'],
  ])('authenticateEvent: %s', async (_, file, declaration) => {
    const example = asHandler(exampleOf(file, declaration));
    const { handler } = await runExample(example, { ...freshLambda() }, '{ handler }');
    expect(await handler(eventOf(await signedHeaders('GET')))).toBe('passed');
    expect(await handler(eventOf({}))).toEqual({ statusCode: 401 });
  });

  it.each<[string, () => string, string]>([
    [
      'the function',
      () => exampleOf('lib/lambda/event-authenticator.ts', 'export function withMAuth'),
      'Hello, ',
    ],
    ['the method', () => exampleOf('lib/lambda/event-authenticator.ts', '  withMAuth<'), 'Hello, '],
    [
      'with options of its own',
      () => exampleOf('lib/lambda/event-authenticator.ts', 'export function createLambdaAuthenticator'),
      '',
    ],
    ['in the docs', () => exampleInPage('without-nest.md', 'withMAuth('), ''],
  ])('withMAuth: %s', async (_, example, greeting) => {
    const names = { ...library, ...freshLambda() };
    const { handler } = await runExample(example(), names, '{ handler }');
    expect(await handler(eventOf(await signedHeaders('GET')), {})).toEqual({
      statusCode: 200,
      body: greeting + caller.appUuid,
    });
    expect(await handler(eventOf({}), {})).toMatchObject({ statusCode: 401 });
  });

  it('withLambdaEvent and lambdaRequestTarget', async () => {
    @Controller('studies')
    @library.RequiresMAuth()
    class StudiesController {
      @Get()
      studies(@library.AppUuid() appUuid: string) {
        return appUuid;
      }
    }
    const ofModule = exampleOf('lib/lambda/lambda-request-target.ts', 'export function lambdaRequestTarget');
    const names = { ...library, ...lambda };
    const imported = await runExample(`const imported = ${ofModule}`, names, 'imported');
    class AppModule {}
    const module = { module: AppModule, imports: [imported], controllers: [StudiesController] };
    const nestApp = await NestFactory.create(module, { logger: false });
    nestApp.setGlobalPrefix('prod');
    await nestApp.init();
    try {
      const ofHandler = exampleOf('lib/lambda/lambda-request-target.ts', 'export function withLambdaEvent');
      const given = { ...names, serverlessExpress, nestApp };
      const { handler } = await runExample(ofHandler, given, '{ handler }');
      const answer = await handler(eventOf(await signedHeaders('GET')), {}, () => undefined);
      expect(answer).toMatchObject({ statusCode: 200, body: caller.appUuid });
      expect(await handler(eventOf({}), {}, () => undefined)).toMatchObject({ statusCode: 401 });
    } finally {
      await nestApp.close();
    }
  });

  it('kmsDecryptor', async () => {
    const kms = await KmsStandIn.start();
    const takeBack = provideAwsEnvironment();
    process.env.AWS_ENDPOINT_URL_KMS = kms.url;
    process.env.PRIVATE_KEY = kms.encrypt(us.privateKeyPem, { keyId: 'alias/mauth' });
    try {
      const example = exampleOf('lib/kms/kms-decryptor.ts', 'export function kmsDecryptor');
      const names = { ...library, kmsDecryptor };
      const imported = await runExample(`const imported = ${example}`, names, 'imported');
      class AppModule {}
      const nestApp = await NestFactory.create({ module: AppModule, imports: [imported] }, { logger: false });
      await nestApp.init();
      const headers = await nestApp.get(library.MAuthSigner).signRequest({ method: 'GET', url: '/' });
      expect(Object.keys(headers)).toHaveLength(2);
      expect(kms.requests).toBe(1);
      await nestApp.close();
    } finally {
      takeBack();
      await kms.close();
    }
  });
});
