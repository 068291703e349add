import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Controller, Module, Post, type DynamicModule, type NestModule, type Type } from '@nestjs/common';
import express from 'express';
import fastify, { type FastifyInstance } from 'fastify';
import * as core from '../../lib/core.js';
import { MAuthMiddleware, MAuthModule, RequiresMAuth } from '../../lib/index.js';
import { exampleInPage, exampleOf, runExample } from '../support/examples.js';
import { caller, optionsFor, service, Witness } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { PLATFORMS, startApp } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const BODY = Buffer.from('{"a":1}');
const REQUEST = { path: '/studies', body: BODY, headers: { 'content-type': 'application/json' } };

describe('The examples', () => {
  let mauth: MAuthServiceStandIn;

  beforeEach(async () => {
    mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
    jest.spyOn(console, 'log').mockReturnValue();
    jest.spyOn(console, 'warn').mockReturnValue();
    jest.replaceProperty(process, 'env', {
      APP_UUID: service.appUuid,
      MAUTH_PRIVATE_KEY: service.privateKeyPem,
      MAUTH_URL: mauth.url,
    });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await mauth.stop();
  });

  async function expectProtection(port: number): Promise<void> {
    expect((await sendBytes({ ...REQUEST, port })).status).toBe(401);
    expect(JSON.parse((await sendSigned({ ...REQUEST, port })).text)).toEqual({
      appUuid: caller.appUuid,
      protocolVersion: 2,
    });
    expect((await sendBytes({ port, path: '/app_status', method: 'GET' })).status).toBe(404);
  }

  it.each([
    ['the docs', () => exampleInPage('without-nest.md', 'mauthMiddleware(')],
    [
      'the docstring',
      () => exampleOf('lib/http/servers/mauth-middleware.ts', 'export function mauthMiddleware'),
    ],
  ])('of mauthMiddleware in %s', async (_, example) => {
    const app = (await runExample(example(), { express, ...core }, 'app')) as RequestListener;
    const server = createServer(app).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      await expectProtection((server.address() as AddressInfo).port);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each([
    ['the docs', () => exampleInPage('without-nest.md', 'register(mauthPlugin')],
    ['the docstring', () => exampleOf('lib/http/servers/mauth-plugin.ts', 'export const mauthPlugin')],
  ])('of mauthPlugin in %s', async (_, example) => {
    const app = (await runExample(example(), { fastify, ...core }, 'app')) as FastifyInstance;
    try {
      await app.listen({ port: 0, host: '127.0.0.1' });
      await expectProtection((app.server.address() as AddressInfo).port);
    } finally {
      await app.close();
    }
  });

  it.each(PLATFORMS)('of MAuthMiddleware, on %s', async (_, createAdapter) => {
    @Controller()
    class StudiesController {
      @Post('studies')
      studies() {
        return 'reached';
      }
    }
    const example = exampleOf('lib/nest/mauth.middleware.ts', '@Injectable()');
    const AppModule = (await runExample(example, { MAuthMiddleware }, 'AppModule')) as Type<NestModule>;
    Module({})(AppModule);
    const { url, close } = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot(optionsFor(new Witness())), AppModule],
      controllers: [StudiesController],
    });
    try {
      const port = Number(new URL(url).port);
      expect((await sendBytes({ ...REQUEST, port })).status).toBe(401);
      expect((await sendSigned({ ...REQUEST, port })).text).toBe('reached');
    } finally {
      await close();
    }
  });

  it.each(PLATFORMS)('of `requestTarget` in the docs, on %s', async (_, createAdapter) => {
    @Controller()
    class StudiesController {
      @RequiresMAuth()
      @Post('studies')
      studies() {
        return 'reached';
      }
    }
    const given = { MAuthModule, mauthOptionsFromEnv: () => optionsFor(new Witness()) };
    const imports = [
      (await runExample(
        exampleInPage('security-model.md', 'requestTarget:'),
        given,
        'mauth',
      )) as DynamicModule,
    ];
    const { url, close } = await startApp(createAdapter, { imports, controllers: [StudiesController] });
    try {
      const port = Number(new URL(url).port);
      const signature = await signatureOf({ path: '/v1/studies?page=2', body: BODY });
      const send = (headers: Record<string, string>) =>
        sendBytes({ ...REQUEST, port, headers: { ...REQUEST.headers, ...signature, ...headers } });
      expect((await send({ 'x-original-uri': '/v1/studies?page=2' })).text).toBe('reached');
      expect((await send({ 'x-original-uri': '/v1/studies' })).status).toBe(401);
      expect((await send({})).status).toBe(401);
    } finally {
      await close();
    }
  });
});
