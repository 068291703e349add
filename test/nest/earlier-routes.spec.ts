import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express, { type NextFunction, type Request, type Response } from 'express';
import { fastify, type FastifyInstance } from 'fastify';
import { MAuthConfigurationError } from '../../lib/core.js';
import { MAuthModule, type MAuthProtection } from '../../lib/index.js';
import { optionsFor, startInboundApp, Witness, type InboundApp } from '../support/inbound-app.js';
import { sendBytes, sendSigned } from '../support/signed-http.js';

const IN_FRONT = /in front of the gate of `protect: 'everything'`/;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'static-'));
  writeFileSync(join(folder, 'early.txt'), 'early');
});
afterAll(() => rmSync(folder, { recursive: true }));

let app: InboundApp | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

/** An application on a server instance that it brings along. */
async function start(
  server: express.Express | FastifyInstance,
  protect: 'routes' | 'everything' = 'everything',
): Promise<InboundApp> {
  const isFastify = 'inject' in server;
  const adapter = isFastify ? new FastifyAdapter(server as never) : new ExpressAdapter(server);
  const gate = { protect, exempt: ['/app_status'] };
  app = await startInboundApp(isFastify ? 'Fastify' : 'Express', { adapter, gate });
  return app;
}

function errorsOf({ logger }: InboundApp): string[] {
  return logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
}

const get = (path: string, method = 'GET') => sendBytes({ port: app!.port, method, path });

describe('What an Express instance answered before the application was made', () => {
  const answer = (_request: unknown, response: Response) => void response.send('early');
  const KINDS: [kind: string, path: string, register: (server: express.Express) => void][] = [
    ['route', '/early', (server) => server.get('/early', answer)],
    ['route', '/early', (server) => server.all('/{*path}', answer)],
    ['router', '/early', (server) => server.use('/early', express.Router().get('/', answer))],
    ['mounted application', '/early', (server) => server.use('/early', express().use(answer))],
    ['folder of static files', '/early.txt', (server) => server.use(express.static(folder))],
    ['middleware that always answers', '/early', (server) => server.use('/early', answer)],
  ];

  it.each(KINDS)('is reported when the application starts: %s at %s', async (kind, path, register) => {
    const server = express();
    register(server);
    await start(server);
    expect(errorsOf(app!)).toEqual([expect.stringMatching(IN_FRONT)]);
    expect(errorsOf(app!).join()).toContain(`(1 × ${kind})`);
    // That is what is reported: it is open.
    expect((await get(path)).text).toBe('early');
  });

  it('is reported in one line, each kind with its number', async () => {
    const server = express();
    for (const [, , register] of KINDS) register(server);
    await start(server);
    expect(errorsOf(app!)).toEqual([
      expect.stringContaining(
        '(2 × route, 1 × router, 1 × mounted application, 1 × folder of static files, 1 × middleware that always answers)',
      ),
    ]);
  });

  it('is no matter without a gate', async () => {
    const server = express();
    for (const [, , register] of KINDS) register(server);
    await start(server, 'routes');
    expect(errorsOf(app!)).toEqual([]);
  });
});

/** A middleware that answers some requests, of which nothing can be told beforehand. */
function perhaps(request: Request, response: Response, next: NextFunction): void {
  if (request.url === '/early') response.status(200).end('early');
  else if (request.url === '/busy') response.status(429).end('busy');
  else if (request.method === 'OPTIONS') response.status(204).end();
  else next();
}

function expressWith(middleware: typeof perhaps): express.Express {
  const server = express();
  server.use(middleware);
  return server;
}

function fastifyWith(middleware: typeof perhaps): FastifyInstance {
  const server = fastify();
  server.addHook('onRequest', (request, reply, done) => {
    const response = Object.assign(reply.raw, {
      status: (code: number) => Object.assign(reply.raw, { statusCode: code }),
    });
    middleware(request.raw as Request, response as never, done as NextFunction);
  });
  return server;
}

describe.each([
  ['Express', expressWith],
  ['Fastify', fastifyWith],
] as const)('A middleware that is older than the application on %s', (_name, serverWith) => {
  it('may stand there', async () => {
    const passing = jest.fn((_request, _response, next: NextFunction) => next());
    await start(serverWith(passing));
    for (const path of ['/app_status', '/receive', '/no/such/route']) await get(path);
    await sendSigned({ port: app!.port, method: 'GET', path: '/receive' });
    expect(passing).toHaveBeenCalledTimes(4);
    expect(errorsOf(app!)).toEqual([]);
  });

  it('is reported once it has answered in front of the gate', async () => {
    await start(serverWith(perhaps));
    await get('/receive');
    expect(errorsOf(app!)).toEqual([]);
    for (let time = 0; time < 3; time++) expect((await get('/early')).text).toBe('early');
    expect(errorsOf(app!)).toEqual([expect.stringMatching(IN_FRONT)]);
    expect(errorsOf(app!).join()).toMatch(/GET \/early/);
  });

  it('may refuse requests and answer preflight requests', async () => {
    await start(serverWith(perhaps));
    expect((await get('/busy')).status).toBe(429);
    expect((await get('/receive', 'OPTIONS')).status).toBe(204);
    expect(errorsOf(app!)).toEqual([]);
  });
});

describe('An HTTP adapter of unknown type', () => {
  class OtherAdapter extends ExpressAdapter {
    override getType(): string {
      return 'other';
    }
  }

  async function create(protect: MAuthProtection, witness: Witness) {
    const module = MAuthModule.forRoot({ ...optionsFor(witness), protect });
    const nest = await NestFactory.create(module, new OtherAdapter(), { logger: false, abortOnError: false });
    return nest;
  }

  it.each(['init', 'listen'] as const)(
    'does not %s where a gate is wanted, and says so by a rejection',
    async (step) => {
      const uncaught = jest.fn();
      process.on('uncaughtException', uncaught);
      const nest = await create('everything', new Witness());
      const started = step === 'init' ? nest.init() : nest.listen(0);
      await expect(started).rejects.toThrow(MAuthConfigurationError);
      await expect(started).rejects.toThrow(/"other".*protect: 'everything'.*Express.*Fastify/);
      await new Promise((resolve) => setTimeout(resolve));
      process.off('uncaughtException', uncaught);
      expect(uncaught).not.toHaveBeenCalled();
      await nest.close();
    },
  );

  it.each(['decorated', 'routes'] as const)(
    'starts with guards, which refuse everything (%s)',
    async (protect) => {
      const witness = new Witness();
      const nest = await create(protect, witness);
      await expect(nest.init()).resolves.toBeDefined();
      expect(witness.logger.lines).toContainEqual({
        level: 'error',
        message: expect.stringMatching(/"other" is not supported/),
      });
      await nest.close();
    },
  );
});
