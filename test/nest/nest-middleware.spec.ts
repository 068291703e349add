import crypto from 'node:crypto';
import {
  All,
  Controller,
  HttpCode,
  Module,
  type DynamicModule,
  type INestApplication,
  type MiddlewareConsumer,
  type NestModule,
  type OnModuleInit,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  AppUuid,
  MAuthMiddleware,
  MAuthModule,
  Public,
  RequiresMAuth,
  type MAuthModuleExtras,
} from '../../lib/index.js';
import { caller, optionsFor, Witness } from '../support/inbound-app.js';
import { PLATFORMS, startApp, type RunningApp } from '../support/running-app.js';
import { sendBytes, sendSigned } from '../support/signed-http.js';

const BODY = Buffer.from('{"a":1}');
const JSON_TYPE = { 'content-type': 'application/json' };

@Controller()
class StudiesController {
  @All('studies')
  @HttpCode(200)
  studies(@AppUuid() appUuid: string) {
    return appUuid;
  }

  @RequiresMAuth()
  @All('guarded')
  @HttpCode(200)
  guarded(@AppUuid() appUuid: string) {
    return appUuid;
  }

  @Public()
  @All(['public', 'app_status', 'version'])
  @HttpCode(200)
  open() {
    return 'open';
  }
}

@Module({})
class AppModule implements NestModule {
  static with(mauth: DynamicModule): DynamicModule {
    return { module: AppModule, imports: [mauth], controllers: [StudiesController] };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(MAuthMiddleware).forRoutes('{*path}');
  }
}

describe.each(PLATFORMS)('MAuthMiddleware for all routes on %s', (_, createAdapter) => {
  let running: RunningApp | undefined;
  let witness: Witness;

  async function start(extras: MAuthModuleExtras = {}): Promise<number> {
    witness = new Witness();
    const mauth = MAuthModule.forRoot({ ...optionsFor(witness), logAttempts: true, ...extras });
    running = await startApp(createAdapter, { imports: [AppModule.with(mauth)] });
    witness.forget(); // the line that is written at the start
    return Number(new URL(running.url).port);
  }

  afterEach(async () => {
    jest.restoreAllMocks();
    await running?.close();
    running = undefined;
  });

  it('lets authentic requests pass, and shows handlers who is calling', async () => {
    const port = await start();
    const answer = await sendSigned({ port, path: '/studies', body: BODY, headers: JSON_TYPE });
    expect([answer.status, answer.text]).toEqual([200, caller.appUuid]);
  });

  it.each(['/studies', '/public', '/STUDIES', '//studies', '/studies/', '/no/such/route', '/'])(
    'refuses %s unsigned, whatever the decorators say',
    async (path) => {
      const port = await start();
      for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS']) {
        const answer = await sendBytes({ port, path, method });
        expect(answer.status).toBe(401);
        if (method !== 'HEAD') expect(answer.text).toBe('{"errors":{"mauth":["Unauthorized"]}}');
      }
    },
  );

  it('lets the exempt paths of the module pass', async () => {
    const port = await start({ exempt: ['/version', '/'] });
    expect((await sendBytes({ port, path: '/version?x=1' })).status).toBe(200);
    expect((await sendBytes({ port, path: '/app_status' })).status).toBe(401);
    expect((await sendBytes({ port, path: '/studies' })).status).toBe(401);
    await running?.close();
    const byDefault = await start();
    expect((await sendBytes({ port: byDefault, path: '/app_status' })).status).toBe(200);
  });

  it.each(['decorated', 'routes', 'everything'] as const)(
    'verifies and logs once, together with the guard (%s)',
    async (protect) => {
      const port = await start({ protect });
      const verify = jest.spyOn(crypto, 'publicEncrypt');
      const answer = await sendSigned({ port, path: '/guarded', body: BODY, headers: JSON_TYPE });
      expect([answer.status, answer.text]).toEqual([200, caller.appUuid]);
      expect(verify).toHaveBeenCalledTimes(1);
      expect(witness.logger.lines).toEqual([
        {
          level: 'log',
          message: expect.stringMatching(/^Mauth-client attempting .* using version MWSV2\.$/),
        },
      ]);
    },
  );
});

@Controller('health')
class HealthController {
  @All()
  @HttpCode(200)
  health() {
    return 'well';
  }
}

/** Serves something beside controllers, from the moment at which modules of Nest do so. */
@Module({})
class MountingModule implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    const answer = (_request: unknown, response: unknown) =>
      void this.host.httpAdapter.reply(response, 'mounted', 200);
    this.host.httpAdapter.get('/mounted', answer);
  }
}

describe.each(PLATFORMS)('MAuthMiddleware with a global prefix on %s', (_, createAdapter) => {
  let running: RunningApp | undefined;
  let witness: Witness;
  const order: string[] = [];

  async function start(
    prefix: string,
    options: Parameters<INestApplication['setGlobalPrefix']>[1] = {},
    excluded: string[] = [],
  ) {
    witness = new Witness();
    order.length = 0;
    const mauth = MAuthModule.forRoot({ ...optionsFor(witness), exempt: ['/app_status', '/api/app_status'] });
    @Module({ imports: [mauth, MountingModule], controllers: [StudiesController, HealthController] })
    class PrefixedModule implements NestModule {
      configure(consumer: MiddlewareConsumer): void {
        const noting = (_request: unknown, _response: unknown, next: () => void) => {
          order.push('earlier');
          next();
        };
        consumer
          .apply(noting, MAuthMiddleware)
          .exclude(...excluded)
          .forRoutes('{*path}');
      }
    }
    running = await startApp(createAdapter, { imports: [PrefixedModule] }, undefined, (app) =>
      app.setGlobalPrefix(prefix, options),
    );
    return Number(new URL(running.url).port);
  }

  afterEach(async () => {
    await running?.close();
    running = undefined;
  });

  const PATHS = [
    ...[
      '/',
      '/no/such/route',
      '/mounted',
      '/MOUNTED',
      '/mounted/',
      '//mounted',
      '/studies',
      '/health',
      '/apis/studies',
    ],
    ...[
      '/api',
      '/api/',
      '/api/studies',
      '/API/studies',
      '/api//studies',
      '/%61pi/studies',
      '/api%2fstudies',
      '//api/studies',
    ],
    ...[
      '/v1/api/studies',
      '/api/health',
      '/./api/studies',
      '/x/../api/studies',
      '/api;/studies',
      '/api?x',
      '/api/public',
      '/api/../mounted',
      '/api/%2e%2e/mounted',
      '/api/..%2fmounted',
      '/api/..\\mounted',
      '/api/no/such/route',
    ],
  ];

  it.each([
    ['api', {}],
    ['/api/', {}],
    ['api', { exclude: ['health'] }],
    ['api', { exclude: ['{*path}'] }],
    ['v1/api', {}],
    [':version/api', {}],
  ] as const)(
    'lets nothing pass unsigned, under the prefix or beside it (%s, %j)',
    async (prefix, options) => {
      const port = await start(prefix, options as never);
      for (const path of PATHS) {
        for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
          const { status } = await sendBytes({ port, path, method });
          expect([method, path, status]).toEqual([method, path, 401]);
        }
      }
    },
  );

  it('lets authentic requests pass, under the prefix and beside it', async () => {
    const port = await start('api', { exclude: ['health'] });
    const answers: Record<string, string> = {
      '/api/studies': caller.appUuid,
      '/health': 'well',
      '/mounted': 'mounted',
    };
    for (const [path, text] of Object.entries(answers)) {
      const answer = await sendSigned({ port, path, method: 'GET' });
      expect([path, answer.status, answer.text]).toEqual([path, 200, text]);
    }
    const posted = await sendSigned({ port, path: '/api/studies', body: BODY, headers: JSON_TYPE });
    expect([posted.status, posted.text]).toEqual([200, caller.appUuid]);
    expect((await sendSigned({ port, path: '/nowhere', method: 'GET' })).status).toBe(404);
    expect((await sendSigned({ port, path: '/nowhere', body: BODY, headers: JSON_TYPE })).status).toBe(404);
  });

  it('lets the exempt paths pass, under the prefix and beside it', async () => {
    const port = await start('api', { exclude: ['health'] });
    expect((await sendBytes({ port, path: '/api/app_status', method: 'GET' })).text).toBe('open');
    expect((await sendBytes({ port, path: '/app_status', method: 'GET' })).status).toBe(404);
  });

  it('leaves out what its consumer excludes, and nothing beside the prefix', async () => {
    const port = await start('api', {}, ['public']);
    expect((await sendBytes({ port, path: '/api/public', method: 'GET' })).text).toBe('open');
    for (const path of ['/public', '/api/studies', '/mounted', '/nowhere']) {
      expect((await sendBytes({ port, path, method: 'GET' })).status).toBe(401);
    }
  });

  it('keeps its place behind other middleware, under the prefix', async () => {
    const port = await start('api');
    expect((await sendBytes({ port, path: '/api/studies', method: 'GET' })).status).toBe(401);
    expect(order).toEqual(['earlier']);
  });

  it('is of no matter to applications that do not use it', async () => {
    witness = new Witness();
    const mauth = MAuthModule.forRoot(optionsFor(witness));
    const metadata = { imports: [mauth, MountingModule], controllers: [StudiesController] };
    running = await startApp(createAdapter, metadata, undefined, (app) => app.setGlobalPrefix('api'));
    const port = Number(new URL(running.url).port);
    expect((await sendBytes({ port, path: '/mounted', method: 'GET' })).status).toBe(200);
    expect((await sendBytes({ port, path: '/nowhere', method: 'GET' })).status).toBe(404);
  });
});
