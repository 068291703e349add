import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { NestApplication, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import fastifyHelmet from '@fastify/helmet';
import express from 'express';
import helmet from 'helmet';
import { MAuthModule } from '../../lib/index.js';
import { exampleInPage, runExample } from '../support/examples.js';
import { optionsFor, PLATFORM_NAMES, Witness } from '../support/inbound-app.js';
import { sendBytes, sendSigned, type HttpAnswer } from '../support/signed-http.js';

type Next = () => void;

@Controller('page')
class PageController {
  @Get() get() {
    return 'handled';
  }
}

describe.each(PLATFORM_NAMES)('Refusals of the gate on %s', (platform) => {
  const witness = new Witness();
  const seen: string[] = [];
  let app: INestApplication | undefined;

  @Module({
    imports: [MAuthModule.forRoot({ ...optionsFor(witness), protect: 'everything' })],
    controllers: [PageController],
  })
  class AppModule {}

  beforeEach(() => {
    seen.length = 0;
    witness.logger.lines.length = 0;
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  function log(request: { method?: string; url?: string }, response: { statusCode: number }): void {
    seen.push(`${request.method} ${request.url} ${response.statusCode}`);
  }

  const accessLog = () => (request: IncomingMessage, response: ServerResponse, next: Next) => {
    response.on('finish', () => log(request, response));
    next();
  };
  const requestId = () => (_request: unknown, response: ServerResponse, next: Next) => {
    response.setHeader('x-request-id', 'id-1');
    next();
  };
  const fastifyRequestId = (
    _request: unknown,
    reply: { header(name: string, value: string): void },
    done: Next,
  ) => {
    reply.header('x-request-id', 'id-1');
    done();
  };

  /** As the docs say, up to where `main.ts` goes on. */
  async function createAsInDocs(): Promise<INestApplication> {
    const quietly = {
      create: (module: never, adapter: never) =>
        NestFactory.create(module, adapter, { logger: false, abortOnError: false }),
    };
    const given = { AppModule, NestFactory: quietly };
    return platform === 'Express'
      ? runExample(
          exampleInPage('guard-and-decorators.md', 'new ExpressAdapter(server)'),
          { ...given, express, helmet, requestId, accessLog, ExpressAdapter },
          'app',
        )
      : runExample(
          exampleInPage('guard-and-decorators.md', 'register(fastifyHelmet)'),
          { ...given, fastifyHelmet, requestId: fastifyRequestId, FastifyAdapter },
          'app',
        );
  }

  function create(options: object = {}): Promise<INestApplication> {
    const adapter = platform === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
    return NestFactory.create(AppModule, adapter as ExpressAdapter, {
      logger: false,
      abortOnError: false,
      ...options,
    });
  }

  /** Unsigned, to a handler and to nothing, and signed. */
  async function answers(): Promise<readonly [HttpAnswer, HttpAnswer, HttpAnswer]> {
    await app?.listen(0, '127.0.0.1');
    const port = Number(new URL((await app?.getUrl()) ?? '').port);
    const method = 'GET';
    const refused = await sendBytes({ port, method, path: '/page' });
    const unknown = await sendBytes({ port, method, path: '/no/such/page' });
    const handled = await sendSigned({ port, method, path: '/page' });
    expect([refused.status, unknown.status, handled.text]).toEqual([401, 401, 'handled']);
    return [refused, unknown, handled];
  }

  it('have the headers of what stands in front of it, as the docs say', async () => {
    app = await createAsInDocs();
    for (const { headers } of await answers()) {
      expect(headers['x-request-id']).toBe('id-1');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'self'");
      expect(headers['x-powered-by']).toBeUndefined();
    }
    expect(witness.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('are seen by an access log there', async () => {
    app = await createAsInDocs();
    if (platform === 'Fastify') {
      // Also behind the gate.
      (app.getHttpAdapter() as unknown as FastifyAdapter)
        .getInstance()
        .addHook('onResponse', async (request, reply) => log(request, reply));
    }
    await answers();
    expect(seen).toEqual(['GET /page 401', 'GET /no/such/page 401', 'GET /page 200']);
  });

  it('do not have headers that are set behind it, and never X-Powered-By', async () => {
    app = await create();
    for (const middleware of [helmet(), requestId(), accessLog()]) app.use(middleware);
    const [refused, unknown, handled] = await answers();
    for (const { headers } of [refused, unknown]) {
      expect(headers['x-powered-by']).toBeUndefined();
      expect(headers['x-request-id']).toBeUndefined();
    }
    expect(handled.headers['x-request-id']).toBe('id-1');
    expect(seen).toEqual(['GET /page 200']);
  });

  it('have the security headers of Nest, where it has any', async () => {
    app = await create();
    const secured = app as INestApplication & { useSecurityHeaders?(): void; enableCsrfProtection?(): void };
    if (!('useSecurityHeaders' in NestApplication.prototype)) {
      expect(secured.useSecurityHeaders).toBeUndefined();
      return;
    }
    secured.enableCsrfProtection?.();
    secured.useSecurityHeaders?.();
    for (const { headers } of await answers()) {
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-powered-by']).toBeUndefined();
    }
    const port = Number(new URL(await app.getUrl()).port);
    const fromElsewhere = { origin: 'http://elsewhere.example', 'sec-fetch-site': 'cross-site' };
    const forged = await sendBytes({ port, method: 'POST', path: '/page', headers: fromElsewhere });
    expect(forged.status).toBe(403);
  });

  it('have the headers of CORS together with those', async () => {
    app = await create({ cors: true });
    const [refused] = await answers();
    expect(refused.headers['access-control-allow-origin']).toBe('*');
  });
});
