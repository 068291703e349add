import serverlessExpress from '@codegenie/serverless-express';
import awsLambdaFastify from '@fastify/aws-lambda';
import {
  Body,
  Controller,
  Get,
  Post,
  Query,
  Req,
  type INestApplication,
  type RawBodyRequest,
} from '@nestjs/common';
import { type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { type IncomingMessage } from 'node:http';
import { type Readable } from 'node:stream';
import { MAuthAuthenticator, MAuthSigner } from '../../lib/core.js';
import { AppUuid, MAuthModule, Public } from '../../lib/index.js';
import { lambdaRequestTarget, withLambdaEvent } from '../../lib/lambda/index.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import {
  functionUrl,
  httpApiWithoutStage,
  loadBalancer,
  restApi,
  type Gateway,
  type WireRequest,
} from './gateway-events.js';

const caller = createTestApp();
const logger = new RecordingLogger();
const handled: string[] = [];

@Controller()
class StudiesController {
  @Get('studies')
  list(@AppUuid() appUuid: string, @Query('tag') tag: unknown) {
    handled.push('list');
    return { appUuid, tag };
  }

  @Get('sites/:name')
  site(@AppUuid() appUuid: string) {
    handled.push('site');
    return { appUuid };
  }

  @Post('studies')
  create(@AppUuid() appUuid: string, @Body() body: unknown) {
    handled.push('create');
    return { appUuid, body };
  }

  @Post('files')
  async upload(@AppUuid() appUuid: string, @Req() request: RawBodyRequest<{ raw?: IncomingMessage }>) {
    handled.push('upload');
    const bytes: Buffer[] = [];
    // Express leaves the stream to the handler; on Fastify a parser has collected it.
    const { body } = request as { body?: unknown };
    if (Buffer.isBuffer(body) && request.raw) bytes.push(body);
    else for await (const chunk of request as unknown as Readable) bytes.push(chunk as Buffer);
    return { appUuid, hex: Buffer.concat(bytes).toString('hex') };
  }

  @Public()
  @Get('app_status')
  status() {
    return { status: 'ok' };
  }
}

const answerAuthenticator = new MAuthAuthenticator({
  appUuid: caller.appUuid,
  findPublicKey: () => caller.publicKey,
  logger,
});

type Answer = {
  statusCode: number;
  body: string;
  isBase64Encoded?: boolean;
  headers?: Record<string, string>;
  multiValueHeaders?: Record<string, string[]>;
};
type Handler = (event: unknown, context: object) => Promise<Answer>;

const PLATFORMS: [string, () => AbstractHttpAdapter, (app: INestApplication) => Handler][] = [
  [
    '@codegenie/serverless-express',
    () => new ExpressAdapter(),
    (app) => {
      const handler = serverlessExpress({ app: app.getHttpAdapter().getInstance() });
      return (event, context) => handler(event, context as never, undefined as never) as Promise<Answer>;
    },
  ],
  [
    '@fastify/aws-lambda',
    () => {
      const adapter = new FastifyAdapter();
      const instance = adapter.getInstance();
      instance.addContentTypeParser(
        'application/octet-stream',
        { parseAs: 'buffer' },
        (_request, body, done) => done(null, body),
      );
      return adapter;
    },
    (app) => awsLambdaFastify(app.getHttpAdapter().getInstance()) as unknown as Handler,
  ],
];

const GATEWAYS = [restApi, httpApiWithoutStage, functionUrl, loadBalancer];

describe.each(PLATFORMS)('a Nest application behind %s', (_name, createAdapter, createHandler) => {
  let app: INestApplication;
  let handler: Handler;

  beforeAll(async () => {
    const testing = await Test.createTestingModule({
      controllers: [StudiesController],
      imports: [
        MAuthModule.forRoot({
          appUuid: caller.appUuid,
          privateKey: caller.privateKey,
          findPublicKey: () => caller.publicKey,
          responses: { sign: true },
          protect: 'routes',
          requestTarget: lambdaRequestTarget,
          logger,
        }),
      ],
    }).compile();
    app = testing.createNestApplication(createAdapter(), { logger: false });
    await app.init();
    await app.getHttpAdapter().getInstance().ready?.();
    handler = withLambdaEvent(createHandler(app));
  });
  afterEach(() => {
    handled.length = 0;
  });
  afterAll(() => app.close());

  async function signed(gateway: Gateway, method: string, path: string, body?: Buffer, type?: string) {
    const signer = new MAuthSigner({
      appUuid: caller.appUuid,
      privateKey: caller.privateKey,
      signVersions: 'v2',
    });
    const target = gateway.prefix + path;
    const headers = await signer.signRequest({ method, url: target, body });
    return { method, target, body, headers: { ...headers, ...(type && { 'content-type': type }) } };
  }

  async function call(gateway: Gateway, request: WireRequest) {
    const { statusCode, body } = await handler(gateway.event(request), {});
    return { status: statusCode, body: JSON.parse(body) as Record<string, unknown> };
  }

  describe.each(GATEWAYS.map((gateway) => [gateway.name, gateway] as const))(
    'called by %s',
    (_title, gateway) => {
      it('gets a signed GET with a query', async () => {
        const request = await signed(gateway, 'GET', '/studies?tag=a%2Fb%20c');
        await expect(call(gateway, request)).resolves.toEqual({
          status: 200,
          body: { appUuid: caller.appUuid, tag: 'a/b c' },
        });
        const changed = { ...request, target: `${request.target}d` };
        await expect(call(gateway, changed)).resolves.toMatchObject({ status: 401 });
        expect(handled).toEqual(['list']);
      });

      it('signs its answer', async () => {
        const request = await signed(gateway, 'GET', '/studies?tag=x');
        const answer = await handler(gateway.event(request), {});
        const { statusCode: status, headers, multiValueHeaders, isBase64Encoded } = answer;
        const body = Buffer.from(answer.body, isBase64Encoded ? 'base64' : 'utf8');
        const fields = headers ?? multiValueHeaders ?? {};
        await expect(
          answerAuthenticator.authenticateResponse({ status, headers: fields, body }),
        ).resolves.toEqual({
          authentic: true,
          appUuid: caller.appUuid,
          protocolVersion: 2,
        });
      });

      it('gets a signed GET of a path beyond ASCII', async () => {
        const request = await signed(gateway, 'GET', '/sites/Z%C3%BCrich');
        await expect(call(gateway, request)).resolves.toMatchObject({ status: 200 });
      });

      it('gets signed JSON, and nothing that was changed', async () => {
        const body = Buffer.from('{"name":"Zürich"}');
        const request = await signed(gateway, 'POST', '/studies', body, 'application/json');
        await expect(call(gateway, request)).resolves.toEqual({
          status: 201,
          body: { appUuid: caller.appUuid, body: { name: 'Zürich' } },
        });
        const changed = { ...request, body: Buffer.from('{"name":"Zurich!"}') };
        await expect(call(gateway, changed)).resolves.toEqual({
          status: 401,
          body: { errors: { mauth: ['Unauthorized'] } },
        });
        expect(handled).toEqual(['create']);
      });

      it('gets signed bytes, and nothing that was changed', async () => {
        const body = Buffer.from([0, 255, 128, 10, 13]);
        const request = await signed(gateway, 'POST', '/files', body, 'application/octet-stream');
        await expect(call(gateway, request)).resolves.toEqual({
          status: 201,
          body: { appUuid: caller.appUuid, hex: body.toString('hex') },
        });
        const changed = { ...request, body: Buffer.from([0, 255, 128, 10, 14]) };
        await expect(call(gateway, changed)).resolves.toMatchObject({ status: 401 });
        expect(handled).toEqual(['upload']);
      });

      it('refuses a body that was put behind a signature over none', async () => {
        const request = await signed(gateway, 'POST', '/studies');
        const headers = { ...request.headers, 'content-type': 'application/json' };
        const forged = { ...request, headers, body: Buffer.from('{}') };
        await expect(call(gateway, forged)).resolves.toMatchObject({ status: 401 });
        expect(handled).toEqual([]);
      });

      it('gets a signed POST without body', async () => {
        const request = await signed(gateway, 'POST', '/studies');
        await expect(call(gateway, request)).resolves.toMatchObject({ status: 201 });
      });

      it('refuses what is not signed, but for public routes', async () => {
        const unsigned = (path: string) => ({ method: 'GET', target: gateway.prefix + path, headers: {} });
        await expect(call(gateway, unsigned('/studies'))).resolves.toMatchObject({ status: 401 });
        await expect(call(gateway, unsigned('/app_status'))).resolves.toMatchObject({ status: 200 });
        expect(handled).toEqual([]);
      });
    },
  );

  it('refuses an event whose spelling is lost', async () => {
    const request = await signed(functionUrl, 'GET', '/sites/a');
    const event = { ...functionUrl.event(request), rawPath: '/sites/\uFFFD' };
    await expect(handler(event, {})).resolves.toMatchObject({ statusCode: 401 });
  });

  it('is the same application where it listens itself', async () => {
    await app.listen(0, '127.0.0.1');
    const { headers } = await signed(functionUrl, 'GET', '/studies?tag=x');
    const response = await fetch(`${await app.getUrl()}/studies?tag=x`, { headers });
    expect(response.status).toBe(200);
  });
});
