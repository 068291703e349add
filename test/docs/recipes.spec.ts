import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  Controller,
  Get,
  UseGuards,
  type INestApplication,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { type Registry } from 'prom-client';
import * as pinoPackage from 'pino';
import { type LoggerOptions } from 'pino';
import {
  AppUuid,
  getMAuthIdentity,
  MAuthModule,
  Public,
  RequiresMAuth,
  type MAuthLogger,
  type MAuthObserver,
  type MAuthProtection,
} from '../../lib/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { Caller, send } from '../support/caller.js';
import { LinkedPackage, type Outcome } from '../support/linked-package.js';
import { blocksIn, blocksOf, compileBlock, runBlock, sectionOf } from '../support/page-code.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const PAGE = 'recipes.md';
const self = createTestApp();
const apps = { rave: createTestApp(), coder: createTestApp() };
const rave = new Caller(apps.rave);
const coder = new Caller(apps.coder);

/** The block of a recipe; every recipe has one. */
function blockOf(heading: string, language = 'ts'): string {
  const [block] = blocksIn(sectionOf(PAGE, heading), language);
  if (block === undefined) throw new Error(`docs/${PAGE} has no block below "${heading}"`);
  return block;
}

let answers = 0;

@Controller()
class StudiesController {
  @Get('studies')
  studies(@AppUuid() caller: string): object {
    return { caller, answer: ++answers };
  }

  @Get('sites')
  sites(): void {}

  @Public()
  @Get('news')
  news(@AppUuid({ optional: true }) caller?: string): object {
    return { caller, answer: ++answers };
  }
}

@Controller()
class LimitedController {
  @UseGuards(ThrottlerGuard)
  @RequiresMAuth()
  @Get('limited')
  limited(): void {}
}

describe('The recipes', () => {
  it('are all tried here', () => {
    expect(blocksOf(PAGE, 'ts')).toHaveLength(6);
  });
});

describe.each(PLATFORMS)('The recipe, on %s,', (_name, createAdapter) => {
  let service: FakeMAuthService;
  let running: RunningApp | undefined;

  beforeEach(async () => {
    service = await FakeMAuthService.start();
    for (const app of [self, apps.rave, apps.coder]) service.register(app.appUuid, app.publicKeyPem);
  });
  afterEach(async () => {
    await running?.close();
    running = undefined;
    await service.stop();
  });

  function mauthWith(
    logger: MAuthLogger = new RecordingLogger(),
    protect: MAuthProtection = 'routes',
    observers: readonly MAuthObserver[] = [],
  ) {
    const { appUuid, privateKey } = self;
    return MAuthModule.forRoot({ appUuid, privateKey, mauthUrl: service.url, protect, logger, observers });
  }

  async function start(imports: ModuleMetadata['imports'], prepare?: (app: INestApplication) => unknown) {
    running = await startApp(
      createAdapter,
      { imports, controllers: [StudiesController] },
      undefined,
      prepare,
    );
    return running.url;
  }

  async function spend(url: string): Promise<number[]> {
    const statuses = [];
    for (let i = 0; i <= 100; i++) statuses.push((await rave.signed(url)).status);
    return statuses;
  }

  describe('for throttling', () => {
    const { ThrottlingModule } = runBlock(blockOf('Throttling by app'), require) as {
      ThrottlingModule: Type;
    };

    it('counts each app by itself', async () => {
      const url = await start([mauthWith(), ThrottlingModule]);
      const statuses = await spend(`${url}/studies`);
      expect(statuses.filter((status) => status === 200)).toHaveLength(100);
      expect(statuses.at(-1)).toBe(429);
      expect((await coder.signed(`${url}/studies`)).status).toBe(200);
      expect((await rave.signed(`${url}/sites`)).status).toBe(200);
      expect((await send(`${url}/studies`)).status).toBe(401);
      expect((await send(`${url}/news`)).status).toBe(200);
    });

    const quota = ThrottlerModule.forRoot({
      throttlers: [{ ttl: 60_000, limit: 1 }],
      getTracker: (request) => getMAuthIdentity(request)?.appUuid ?? String(request.ip),
    });

    it('counts each app by itself at a handler with both decorators', async () => {
      const imports = [mauthWith(new RecordingLogger(), 'decorated'), quota];
      const { url, close } = await startApp(createAdapter, { imports, controllers: [LimitedController] });
      const statuses = [];
      for (const caller of [rave, rave, coder]) statuses.push((await caller.signed(`${url}/limited`)).status);
      await close();
      expect(statuses).toEqual([200, 429, 200]);
    });

    it('knows no caller in the root module', async () => {
      const { url, close } = await startApp(createAdapter, {
        imports: [mauthWith(), quota],
        controllers: [StudiesController],
        providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
      });
      const answered = [await rave.signed(`${url}/sites`), await coder.signed(`${url}/sites`)];
      await close();
      expect(answered.map(({ status }) => status)).toEqual([200, 429]);
    });

    it('needs the order that the page names', async () => {
      const url = await start([ThrottlingModule, mauthWith()]);
      await spend(`${url}/studies`);
      expect((await coder.signed(`${url}/studies`)).status).toBe(429);
    });
  });

  it('for caching keeps the answers of apps apart', async () => {
    const { CachingModule } = runBlock(blockOf('Caching answers by app'), require) as { CachingModule: Type };
    const url = await start([mauthWith(), CachingModule]);
    const ask = async (caller: Caller, path: string) => {
      const { headers, text, status } = await caller.signed(`${url}${path}`);
      return {
        ...(JSON.parse(text) as { caller: string; answer: number }),
        status,
        cache: headers.get('x-cache'),
      };
    };
    const first = await ask(rave, '/studies');
    expect(first).toMatchObject({ caller: apps.rave.appUuid, cache: 'MISS' });
    expect(await ask(rave, '/studies')).toEqual({ ...first, cache: 'HIT' });
    expect(await ask(coder, '/studies')).toMatchObject({ caller: apps.coder.appUuid, cache: 'MISS' });
    expect(await ask(rave, '/studies?page=2')).toMatchObject({ cache: 'MISS' });
    expect((await send(`${url}/studies`)).status).toBe(401);
    const news = await send(`${url}/news`);
    expect((await send(`${url}/news`)).text).toBe(news.text);
  });

  it('for pino leaves no signature in the log', async () => {
    const out = new PassThrough();
    const pino = (options: LoggerOptions) => pinoPackage.pino(options, out);
    const load = (name: string) =>
      name === 'pino' ? { ...pinoPackage, pino } : jest.requireActual<object>(name);
    const { accessLog, mauthLog } = runBlock(blockOf('Logging with pino, without signatures'), load) as {
      accessLog: never;
      mauthLog: MAuthLogger;
    };
    const url = await start([mauthWith(mauthLog)], (app) => app.use(accessLog));
    const cookie = 'session=something-secret';
    await new Caller(apps.rave, 'v1,v2').signed(`${url}/studies`, { headers: { cookie } });
    await rave.badlySigned(`${url}/studies`);
    await new Promise((resolve) => setTimeout(resolve, 50)); // Lines of answers come when these have been sent.
    const text = String(out.read());
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const headers = {
      'mcc-authentication': '[Redacted]',
      'x-mws-authentication': '[Redacted]',
      cookie: '[Redacted]',
      'mcc-time': expect.stringMatching(/^\d+$/) as string,
    };
    expect(lines).toContainEqual(
      expect.objectContaining({
        msg: 'answered',
        caller: apps.rave.appUuid,
        req: expect.objectContaining({ headers: expect.objectContaining(headers) as object }) as object,
      }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringContaining('signature_mismatch') as string }),
    );
    expect(text).not.toMatch(/MWS(V2)? \w|something-secret|[A-Za-z0-9+/]{300}/);
  });

  it('for Prometheus shows the counts', async () => {
    const recipe = 'Counts of the key cache for Prometheus';
    const { MetricsModule } = runBlock(blockOf(recipe), require) as { MetricsModule: Type };
    const url = await start([mauthWith(), MetricsModule]);
    const scrape = async () => (await send(`${url}/metrics`)).text.split('\n');
    expect(await scrape()).toContain('mauth_key_cache_events_total{event="hits"} 0');
    for (let i = 0; i < 2; i++) expect((await rave.signed(`${url}/studies`)).status).toBe(200);
    await scrape(); // Looking does not count.
    const { headers } = await send(`${url}/metrics`);
    expect(headers.get('content-type')).toMatch(/^text\/plain;.* version=0\.0\.4/);
    expect(await scrape()).toEqual(expect.arrayContaining(blockOf(recipe, 'text').trim().split('\n')));
  });

  it('for Prometheus counts decisions', async () => {
    const recipe = 'Counts of decisions for Prometheus';
    const shown = runBlock(blockOf(recipe), require) as { prometheus: MAuthObserver; registry: Registry };
    const url = await start([mauthWith(undefined, 'routes', [shown.prometheus])]);
    await rave.signed(`${url}/studies`);
    await send(`${url}/studies`);
    const lines = (await shown.registry.metrics()).split('\n');
    expect(lines).toEqual(expect.arrayContaining(blockOf(recipe, 'text').trim().split('\n')));
  });
});

describe('The recipe for .env', () => {
  const linked = new LinkedPackage();
  afterAll(() => linked.remove());

  /** Starts the application in a process of its own, in whose folder this `.env` is, and asks it something unsigned. */
  function startWith(env: string): Outcome {
    writeFileSync(join(linked.folder, '.env'), env);
    writeFileSync(join(linked.folder, 'mauth.pem'), self.privateKeyPem);
    return linked.run(`
      const load = (name) => (name === 'nestjs-mauth' ? mauth : nest(name));
      const exports = {};
      new Function('require', 'exports', ${JSON.stringify(compileBlock(blockOf('Configuration: `.env`, checked at the start')))})(load, exports);
      const app = await nest('@nestjs/core').NestFactory.create(exports.AppModule, { logger: false, abortOnError: false });
      await app.listen(0, '127.0.0.1');
      const { appUuid } = app.get(mauth.MAuthSigner);
      return { appUuid, url: process.env.MAUTH_URL };
    `);
  }

  /**
   * What is said by a process that does not get as far as to listen: of the ConfigModule for Nest 11 an error, which is
   * caught; of that for Nest 12 a rejection, which ends it.
   */
  function errorWith(env: string): string {
    const { status = 1, stderr, name, message } = startWith(env);
    expect(status).toBe(1);
    return stderr === undefined ? `${String(name)}: ${String(message)}` : (stderr as string);
  }

  const shown = blockOf('Configuration: `.env`, checked at the start', 'ini');

  it('starts with what is shown', () => {
    expect(startWith(shown)).toEqual({
      appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e',
      url: 'https://mauth.example.com',
    });
  });

  it.each(['APP_UUID', 'MAUTH_PRIVATE_KEY_FILE', 'MAUTH_URL'])(
    'does not start without %s, and names it',
    (name) => {
      const env = shown.replace(new RegExp(`^${name}=.*\n`, 'm'), '');
      expect(errorWith(env)).toContain(`Error: Set ${name} in the environment or in .env.`);
    },
  );

  it('does not start with a value that cannot be read, and names its variable', () => {
    expect(errorWith(shown.replace('SIGN_VERSIONS=v2', 'SIGN_VERSIONS=v3'))).toContain('MAUTH_SIGN_VERSIONS');
  });
});
