import 'reflect-metadata';
import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import fastify from 'fastify';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import {
  AppUuid,
  getMAuthIdentity,
  MAuthAuthenticator,
  mauthMiddleware,
  MAuthModule,
  mauthPlugin,
  RequiresMAuth,
  type MAuthOptions,
  type MAuthProtection,
} from '../../lib/index.js';
import { createLambdaAuthenticator } from '../../lib/lambda/index.js';

/*
 * Servers of every kind in a process of their own, whose `Object.prototype` can be polluted from outside. A process of
 * its own, because pollution reaches whatever runs in it, the tests as well.
 */

const { apps, allowed } = JSON.parse(process.argv[2] ?? '') as {
  /** Public keys by app UUID. */
  apps: Record<string, string>;
  /** The app that the restricted handler is for. */
  allowed: string;
};

const options = (): MAuthOptions => ({
  appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e',
  findPublicKey: (appUuid) => (Object.hasOwn(apps, appUuid) ? apps[appUuid] : undefined),
  logAttempts: false,
  logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
});

@RequiresMAuth()
@Controller('closed')
class ClosedController {
  @Get('who')
  who(@AppUuid() caller: string) {
    return caller;
  }

  @RequiresMAuth({ apps: [allowed] })
  @Get('restricted')
  restricted(@AppUuid() caller: string) {
    return caller;
  }
}

@Controller('plain')
class PlainController {
  @Get('who')
  who(@AppUuid({ optional: true }) caller?: string) {
    return caller ?? 'open';
  }
}

class SubController extends ClosedController {}
Controller('inherited')(SubController);

@Module({})
class AppModule {}

interface Target {
  readonly port: number;
  close(): Promise<unknown>;
}

async function nest(platform: 'Express' | 'Fastify', protect: MAuthProtection): Promise<Target> {
  const imports = [MAuthModule.forRoot({ ...options(), protect })];
  const module = {
    module: AppModule,
    imports,
    controllers: [ClosedController, PlainController, SubController],
  };
  const adapter = platform === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
  const app: INestApplication = await NestFactory.create(module, adapter, {
    logger: false,
    abortOnError: false,
  });
  const mounted = (_request: unknown, response: ServerResponse, next: () => void) => {
    if (/^\/mounted/.test((_request as { url: string }).url)) response.end('open');
    else next();
  };
  app.use(mounted);
  await app.listen(0, '127.0.0.1');
  return { port: portOf(app.getHttpServer() as Server), close: () => app.close() };
}

async function node(listener: RequestListener): Promise<Target> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: portOf(server), close: () => new Promise((resolve) => server.close(resolve)) };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function middleware(): Promise<Target> {
  const gate = mauthMiddleware(options());
  return node((request, response) =>
    gate(request, response, () => response.end(getMAuthIdentity(request)?.appUuid)),
  );
}

async function plugin(): Promise<Target> {
  const app = fastify();
  await app.register(mauthPlugin, options());
  app.get('/*', (request) => getMAuthIdentity(request)?.appUuid ?? 'nobody');
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: portOf(app.server), close: () => app.close() };
}

async function core(): Promise<Target> {
  const authenticator = new MAuthAuthenticator({ ...options(), pathPolicy: 'strict' });
  return node((request, response) => {
    const { method = '', url = '', headers } = request;
    void authenticator.authenticateRequest({ method, url, headers, body: null }).then((result) => {
      response.statusCode = result.authentic ? 200 : result.status;
      response.end(result.authentic ? result.appUuid : result.code);
    });
  });
}

async function lambda(): Promise<Target> {
  const authenticator = createLambdaAuthenticator(options());
  const handler = authenticator.withMAuth((_event: object, _context: object, { appUuid }) => ({
    statusCode: 200,
    body: appUuid,
  }));
  return node((request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    const event = {
      version: '2.0',
      rawPath: url.pathname,
      rawQueryString: url.search.slice(1),
      headers: request.headers,
      requestContext: { http: { method: request.method, path: url.pathname } },
      isBase64Encoded: false,
    };
    void Promise.resolve(handler(event, {})).then(
      (answer) => {
        const { statusCode, body } = answer as { statusCode: number; body: string };
        response.writeHead(statusCode).end(body);
      },
      () => response.writeHead(500).end(),
    );
  });
}

const KINDS: Record<string, () => Promise<Target>> = { middleware, plugin, core, lambda };
for (const platform of ['Express', 'Fastify'] as const) {
  for (const protect of ['decorated', 'routes', 'everything'] as const) {
    KINDS[`${platform}, ${protect}`] = () => nest(platform, protect);
  }
}

const VALUES: Record<string, unknown> = {
  true: true,
  path: '/app_status',
  function: () => true,
  identity: { authentic: true, appUuid: allowed, protocolVersion: 2, status: 200 },
};

let targets: Record<string, Target> = {};
let polluted: string | undefined;

function clean(): void {
  if (polluted !== undefined) Reflect.deleteProperty(Object.prototype, polluted);
  polluted = undefined;
}

function pollute(name: string, value: string, enumerable = 'enumerable'): void {
  clean();
  polluted = name;
  Object.defineProperty(Object.prototype, name, {
    __proto__: null,
    value: VALUES[value],
    writable: true,
    enumerable: enumerable === 'enumerable',
    configurable: true,
  } as PropertyDescriptor);
}

async function start(): Promise<Record<string, number>> {
  const started = await Promise.allSettled(
    Object.entries(KINDS).map(async ([kind, create]): Promise<[string, Target]> => [kind, await create()]),
  );
  const before = Object.values(targets);
  targets = Object.fromEntries(started.filter((one) => one.status === 'fulfilled').map((one) => one.value));
  clean();
  for (const target of before) void target.close().catch(() => undefined);
  return Object.fromEntries(Object.entries(targets).map(([kind, { port }]) => [kind, port]));
}

/** The ports by kind; what did not start is not among them. */
const ORDERS: Record<string, (name: string, value: string, enumerable: string) => unknown> = {
  clean,
  pollute,
  start,
  /** Starts under pollution, which then lasts. */
  startPolluted: async (name, value, enumerable) => {
    pollute(name, value, enumerable);
    const ports = await start();
    pollute(name, value, enumerable);
    return ports;
  },
};

process.on('uncaughtException', () => undefined);
process.on('unhandledRejection', () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', ([order, name, value, enumerable]: [string, string, string, string]) => {
  Promise.resolve()
    .then(() => ORDERS[order]?.(name, value, enumerable))
    .then(
      (answer) => process.send?.({ answer: answer ?? null }),
      () => process.send?.({ answer: null }),
    );
});
process.send?.({ answer: 'ready' });
