import {
  Controller,
  Get,
  HttpException,
  Injectable,
  Module,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type MiddlewareConsumer,
  type NestModule,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  MAuthConfigurationError,
  MAuthGuard,
  MAuthMiddleware,
  MAuthModule,
  MAuthUnauthorizedException,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthInboundFailure,
  type MAuthIdentity,
  type MAuthModuleOptions,
  type MAuthProtection,
} from '../../lib/index.js';
import { Caller, send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const rave = createTestApp();
const other = createTestApp();
const known = new Map([rave, other].map((app) => [app.appUuid, app.publicKeyPem]));
const PROTECTIONS: readonly MAuthProtection[] = ['decorated', 'routes', 'everything'];

/** What a guard of the application needs, from a module of the application. */
@Injectable()
class Audit {
  readonly lines: string[] = [];
}
@Module({ providers: [Audit], exports: [Audit] })
class AuditModule {}

@Injectable()
class AuditedGuard extends MAuthGuard {
  constructor(private readonly audit: Audit) {
    super();
  }

  protected override getRequest(context: ExecutionContext) {
    this.audit.lines.push(`request ${context.getHandler().name}`);
    return super.getRequest(context);
  }

  protected override async onAuthenticated(context: ExecutionContext, { appUuid }: MAuthIdentity) {
    this.audit.lines.push(`${context.getHandler().name} by ${appUuid}`);
    if (appUuid === other.appUuid) throw new MAuthUnauthorizedException({ why: 'unwelcome' });
  }

  protected override toException({ code }: MAuthInboundFailure) {
    return new HttpException({ why: code }, 418);
  }
}

@RequiresMAuth()
@Controller('closed')
class ClosedController {
  @Get() list() {
    return 'handled';
  }
  @RequiresMAuth({ apps: ['rave'] }) @Get('rave') rave() {
    return 'handled';
  }
  @OptionalMAuth() @Get('optional') optional() {
    return 'handled';
  }
  @Public() @Get('open') open() {
    return 'handled';
  }
}

@Controller('undecorated')
class UndecoratedController {
  @Get() undecorated() {
    return 'handled';
  }
}

/** Inherits the restriction, but no guard of its own: it overrides the method. */
@Controller('overriding')
class OverridingController extends ClosedController {
  @Get() override list() {
    return 'overridden';
  }
}

function options(more: Partial<MAuthModuleOptions> = {}): MAuthModuleOptions {
  return {
    appUuid: own.appUuid,
    findPublicKey: (appUuid) => known.get(appUuid),
    apps: { rave: rave.appUuid },
    logger: new RecordingLogger(),
    ...more,
  };
}

const controllers = [ClosedController, UndecoratedController, OverridingController];

const REGISTRATIONS = {
  forRoot: (protect: MAuthProtection, more: Partial<MAuthModuleOptions>) =>
    MAuthModule.forRoot({ ...options(more), protect, guard: AuditedGuard, imports: [AuditModule] }),
  forRootAsync: (protect: MAuthProtection, more: Partial<MAuthModuleOptions>) =>
    MAuthModule.forRootAsync({
      useFactory: () => options(more),
      protect,
      guard: AuditedGuard,
      imports: [AuditModule],
    }),
};

describe.each(PLATFORMS)(
  'A guard of the application, named by `guard`, on %s',
  (_platform, createAdapter) => {
    let running: RunningApp | undefined;
    afterEach(async () => {
      await running?.close();
      running = undefined;
    });

    async function start(
      protect: MAuthProtection,
      register: keyof typeof REGISTRATIONS = 'forRoot',
      more: Partial<MAuthModuleOptions> = {},
    ): Promise<string> {
      running = await startApp(createAdapter, {
        imports: [REGISTRATIONS[register](protect, more)],
        controllers,
      });
      return running.url;
    }

    const audited = () => running?.app.get(Audit, { strict: false }).lines.splice(0) ?? [];

    describe.each(PROTECTIONS)("with protect: '%s'", (protect) => {
      it.each(['forRoot', 'forRootAsync'] as const)('is told who has passed (%s)', async (register) => {
        const url = await start(protect, register);
        const caller = new Caller(rave);
        for (const [path, handler] of [
          ['closed', 'list'],
          ['closed/rave', 'rave'],
          ['closed/optional', 'optional'],
          ['overriding', 'list'],
          ...(protect === 'decorated' ? [] : [['undecorated', 'undecorated']]),
        ] as const) {
          expect((await caller.signed(`${url}/${path}`)).status).toBe(200);
          expect(new Set(audited())).toEqual(
            new Set([`request ${handler}`, `${handler} by ${rave.appUuid}`]),
          );
        }
        await send(`${url}/closed/open`);
        expect(audited()).toEqual([]);
      });

      it('may refuse after all', async () => {
        const url = await start(protect);
        const refused = await new Caller(other).signed(`${url}/closed`);
        expect(refused).toMatchObject({ status: 401, text: '{"why":"unwelcome"}' });
      });

      it('chooses the answer to what is refused, wherever that is', async () => {
        const url = await start(protect);
        const closed = ['closed', 'overriding'];
        if (protect !== 'decorated') closed.push('undecorated');
        if (protect === 'everything') closed.push('no/such/page');
        for (const path of closed) {
          const unsigned = await send(`${url}/${path}`);
          expect([path, unsigned.status, unsigned.text]).toEqual([path, 418, '{"why":"missing_headers"}']);
          expect(unsigned.headers.get('content-type')).toMatch(/^application\/json/);
        }
        const bad = await new Caller(rave).badlySigned(`${url}/closed/optional`);
        expect(bad).toMatchObject({ status: 418, text: '{"why":"signature_mismatch"}' });
        const notAllowed = await new Caller(other).signed(`${url}/closed/rave`);
        expect(notAllowed).toMatchObject({ status: 418, text: '{"why":"app_not_allowed"}' });
      });

      it('keeps the headers of an answer', async () => {
        const url = await start(protect, 'forRoot', {
          findPublicKey: () => Promise.reject(new Error('down')),
          keys: { cooldownSeconds: 9 },
        });
        const { status, headers } = await new Caller(rave).signed(`${url}/closed`);
        expect([status, headers.get('retry-after')]).toEqual([418, '9']);
      });

      it('can be replaced in tests, at decorators too', async () => {
        running = await startApp(
          createAdapter,
          { imports: [REGISTRATIONS.forRoot(protect, {})], controllers },
          (builder) => builder.overrideProvider(MAuthGuard).useValue({ canActivate: () => true }),
        );
        const { url } = running;
        expect((await new Caller(rave).signed(`${url}/closed`)).text).toBe('handled');
        // The gate lets pass what the guard of a test is to decide.
        expect((await send(`${url}/closed`)).status).toBe(200);
      });
    });

    it('chooses the answers of MAuthMiddleware', async () => {
      @Module({})
      class ClosingModule implements NestModule {
        configure(consumer: MiddlewareConsumer): void {
          consumer.apply(MAuthMiddleware).forRoutes('{*path}');
        }
      }
      running = await startApp(createAdapter, {
        imports: [REGISTRATIONS.forRoot('decorated', {}), ClosingModule],
        controllers,
      });
      expect(await send(`${running.url}/undecorated`)).toMatchObject({
        status: 418,
        text: '{"why":"missing_headers"}',
      });
    });

    it.each<[string, (failure: MAuthInboundFailure) => HttpException, number, string]>([
      ['text', () => new HttpException('tea only', 418), 418, '{"statusCode":418,"message":"tea only"}'],
      [
        'an exception that it throws',
        () => {
          throw new HttpException({ a: 1 }, 409);
        },
        409,
        '{"a":1}',
      ],
    ])('answers at the gate as Nest would: %s', async (_case, toException, status, text) => {
      @Injectable()
      class OwnGuard extends MAuthGuard {
        protected override toException(failure: MAuthInboundFailure) {
          return toException(failure);
        }
      }
      const mauth = MAuthModule.forRoot({ ...options(), protect: 'everything', guard: OwnGuard });
      running = await startApp(createAdapter, { imports: [mauth], controllers });
      for (const path of ['no/such/page', 'closed']) {
        expect(await send(`${running.url}/${path}`)).toMatchObject({ status, text });
      }
    });

    it('leaves the gate shut when it fails to choose an answer, and the log says so', async () => {
      @Injectable()
      class FailingGuard extends MAuthGuard {
        protected override toException(): HttpException {
          throw new TypeError('of the application');
        }
      }
      const logger = new RecordingLogger();
      const mauth = MAuthModule.forRoot({
        ...options({ logger }),
        protect: 'everything',
        guard: FailingGuard,
      });
      running = await startApp(createAdapter, { imports: [mauth], controllers });
      expect(await send(`${running.url}/closed`)).toMatchObject({
        status: 401,
        text: '{"errors":{"mauth":["Unauthorized"]}}',
      });
      expect(logger.lines).toContainEqual({
        level: 'error',
        message: expect.stringMatching(/FailingGuard\.toException.*of the application/),
      });
    });
  },
);

describe('A guard of the application that is registered in another way', () => {
  const [, createAdapter] = PLATFORMS[0];

  @Injectable()
  class OwnGuard extends MAuthGuard {}

  @Injectable()
  class ForeignGuard implements CanActivate {
    canActivate() {
      return true;
    }
  }

  const running: RunningApp[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });

  async function start(
    protect: MAuthProtection,
    metadata: { providers?: Provider[]; controllers?: Type[] },
    guard?: Type<MAuthGuard>,
  ) {
    const mauth = MAuthModule.forRoot({ ...options(), protect, guard });
    const app = await startApp(createAdapter, { controllers, ...metadata, imports: [mauth] });
    running.push(app);
    return app.url;
  }

  async function expectRefusal(starting: Promise<unknown>, message: RegExp) {
    await expect(starting).rejects.toThrow(MAuthConfigurationError);
    await expect(starting).rejects.toThrow(message);
  }

  describe.each(PROTECTIONS)("stops the start with protect: '%s'", (protect) => {
    it.each<[string, Provider]>([
      ['useClass', { provide: MAuthGuard, useClass: OwnGuard }],
      ['useFactory', { provide: MAuthGuard, useFactory: () => new OwnGuard() }],
    ])('in place of MAuthGuard, by %s', async (_how, provider) => {
      await expectRefusal(
        start(protect, { providers: [provider] }),
        /OwnGuard .*in place of MAuthGuard.*`guard: OwnGuard`/,
      );
    });

    it.each<[string, Provider[]]>([
      ['useClass', [{ provide: APP_GUARD, useClass: OwnGuard }]],
      ['useExisting', [OwnGuard, { provide: APP_GUARD, useExisting: OwnGuard }]],
      ['useFactory', [OwnGuard, { provide: APP_GUARD, useFactory: (it) => it, inject: [OwnGuard] }]],
    ])('as APP_GUARD, by %s', async (_how, providers) => {
      await expectRefusal(start(protect, { providers }), /OwnGuard .*APP_GUARD.*`guard: OwnGuard`/);
    });

    it('by extraProviders', async () => {
      const register = async () =>
        MAuthModule.forRootAsync({
          useFactory: () => options(),
          protect,
          extraProviders: [{ provide: MAuthGuard, useClass: OwnGuard }],
        });
      await expectRefusal(register(), /`extraProviders`.*`guard`/);
    });

    it('by @UseGuards where the guard of the module runs as well', async () => {
      @RequiresMAuth()
      @Controller('both')
      class BothController {
        @UseGuards(OwnGuard) @Get() list() {}
      }
      await expectRefusal(
        start(protect, { controllers: [BothController] }),
        /BothController\.list .*@UseGuards\(OwnGuard\).*`guard: OwnGuard`/,
      );
    });

    it('when it is no MAuthGuard at all', async () => {
      await expectRefusal(
        (async () => start(protect, {}, ForeignGuard as never))(),
        /`guard` must be a class that extends MAuthGuard/,
      );
    });
  });

  it('is no matter where that is the guard of the module, or where no other runs', async () => {
    @UseGuards(OwnGuard)
    @Controller('own')
    class OwnController {
      @Get() list() {
        return 'handled';
      }
      @Public() @Get('open') open() {
        return 'handled';
      }
    }
    const urls = [
      await start('decorated', { controllers: [OwnController] }),
      await start('routes', { controllers: [OwnController] }, OwnGuard),
      await start(
        'routes',
        { providers: [{ provide: APP_GUARD, useClass: OwnGuard }], controllers: [OwnController] },
        OwnGuard,
      ),
    ];
    for (const url of urls) {
      expect((await send(`${url}/own`)).status).toBe(401);
      expect((await new Caller(rave).signed(`${url}/own`)).text).toBe('handled');
      expect((await send(`${url}/own/open`)).text).toBe('handled');
    }
  });

  it('is no matter where MAuthGuard itself is provided once more', async () => {
    const url = await start('routes', {
      providers: [MAuthGuard, { provide: APP_GUARD, useClass: MAuthGuard }],
    });
    expect((await send(`${url}/undecorated`)).status).toBe(401);
    expect((await new Caller(rave).signed(`${url}/undecorated`)).text).toBe('handled');
  });

  it('refuses everything, and says why, where it was made by hand', async () => {
    running.push(
      await startApp(
        createAdapter,
        { controllers, imports: [MAuthModule.forRoot(options())] },
        undefined,
        (app) => app.useGlobalGuards(new OwnGuard()),
      ),
    );
    const { url, app } = running[0];
    expect((await new Caller(rave).signed(`${url}/undecorated`)).status).toBe(500);
    expect(() => new OwnGuard().canActivate({} as ExecutionContext)).toThrow(
      /OwnGuard was made by hand.*`guard`/,
    );
    expect(app).toBeDefined();
  });
});
