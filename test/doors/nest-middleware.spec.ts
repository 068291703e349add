import crypto from 'node:crypto';
import {
  All,
  Controller,
  HttpCode,
  Module,
  type DynamicModule,
  type MiddlewareConsumer,
  type NestModule,
} from '@nestjs/common';
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
      const verify = jest.spyOn(crypto, 'verify');
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
