import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpException,
  Injectable,
  Module,
  PayloadTooLargeException,
  Post,
  RequestTimeoutException,
  UseGuards,
  type ArgumentsHost,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter, ExternalContextCreator, HttpAdapterHost } from '@nestjs/core';
import {
  AppUuid,
  getMAuthIdentity,
  MAuthCaller,
  MAuthForbiddenException,
  MAuthGuard,
  MAuthModule,
  MAuthUnauthorizedException,
  MAuthUnavailableException,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthInboundFailure,
  type MAuthIdentity,
  type MAuthModuleExtras,
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

function options(more: Partial<MAuthModuleOptions & MAuthModuleExtras> = {}) {
  return {
    appUuid: own.appUuid,
    findPublicKey: (appUuid: string) => known.get(appUuid),
    apps: { rave: rave.appUuid },
    logger: new RecordingLogger(),
    ...more,
  };
}

@RequiresMAuth()
@Controller('studies')
class StudiesController {
  @Get()
  list(
    @AppUuid() appUuid: string,
    @MAuthCaller() caller: MAuthIdentity,
    @MAuthCaller('protocolVersion') version: number,
  ) {
    return { appUuid, caller, version, frozen: Object.isFrozen(caller) };
  }

  @RequiresMAuth({ apps: ['rave'] })
  @Get('audit')
  audit() {
    return 'handled';
  }

  @Public()
  @Get('caller')
  caller(@MAuthCaller() caller: MAuthIdentity) {
    return caller;
  }

  @Public()
  @Get('caller-uuid')
  callerUuid(@AppUuid() appUuid: string) {
    return appUuid;
  }

  @OptionalMAuth()
  @Get('perhaps')
  perhaps(
    @AppUuid({ optional: true }) appUuid: string | undefined,
    @MAuthCaller({ optional: true }) caller: MAuthIdentity | undefined,
    @MAuthCaller('protocolVersion', { optional: true }) version: number | undefined,
  ) {
    return { appUuid: appUuid ?? 'nobody', caller: caller ?? 'nobody', version: version ?? 'none' };
  }
}

describe.each(PLATFORMS)('The guard on %s', (_name, createAdapter) => {
  let running: RunningApp | undefined;
  const start = async (
    more: Partial<MAuthModuleOptions & MAuthModuleExtras> = {},
    controllers = [StudiesController],
  ) => {
    running = await startApp(createAdapter, { imports: [MAuthModule.forRoot(options(more))], controllers });
    return running.url;
  };

  afterEach(async () => {
    await running?.close();
    running = undefined;
  });

  it.each([
    ['v1', 1],
    ['v2', 2],
    ['v1,v2', 2],
  ] as const)(
    'hands the verified caller of a request signed with %s to the handler',
    async (signVersions, version) => {
      const url = await start();
      const { status, text } = await new Caller(rave, signVersions).signed(`${url}/studies?page=1`);
      const caller = { appUuid: rave.appUuid, protocolVersion: version };
      expect(status).toBe(200);
      expect(JSON.parse(text)).toEqual({ appUuid: rave.appUuid, caller, version, frozen: true });
    },
  );

  it('answers 401 where a parameter names a caller and there is none', async () => {
    const url = await start();
    for (const path of ['caller', 'caller-uuid']) {
      const { status, text } = await send(`${url}/studies/${path}`);
      expect({ status, text }).toEqual({ status: 401, text: '{"errors":{"mauth":["Unauthorized"]}}' });
    }
  });

  it.each<[string, MAuthProtection, string]>([
    ['an undecorated handler', 'decorated', 'undecorated'],
    ['a @Public() handler', 'routes', 'public'],
    ['a @Public() handler behind the gate', 'everything', 'public'],
  ])(
    'logs handler and remedy where %s names its caller, and nothing authenticates it',
    async (_, protect, path) => {
      @Controller('unprotected')
      class UnprotectedController {
        @Get('undecorated') undecorated(@MAuthCaller() caller: MAuthIdentity) {
          return caller;
        }
        @Public() @Get('public') public(@AppUuid() appUuid: string) {
          return appUuid;
        }
      }
      const logger = new RecordingLogger();
      const url = await start({ protect, logger }, [UnprotectedController] as never);
      logger.lines.length = 0;
      const { status, text } = await new Caller(rave).signed(`${url}/unprotected/${path}?a=1`);
      expect({ status, text }).toEqual({ status: 401, text: '{"errors":{"mauth":["Unauthorized"]}}' });
      expect(logger.lines).toEqual([
        {
          level: 'warn',
          message: expect.stringMatching(
            `^MAuth: GET /unprotected/${path} was refused \\(not_authenticated\\): UnprotectedController\\.${path} .*` +
              '@RequiresMAuth\\(\\) or @OptionalMAuth\\(\\).*`protect`.*\\{ optional: true \\}',
          ),
        },
      ]);
    },
  );

  it('leaves a parameter undefined where the caller is optional', async () => {
    const url = await start();
    const nobody = await send(`${url}/studies/perhaps`);
    expect(JSON.parse(nobody.text)).toEqual({ appUuid: 'nobody', caller: 'nobody', version: 'none' });
    const somebody = await new Caller(rave).signed(`${url}/studies/perhaps`);
    expect(JSON.parse(somebody.text)).toMatchObject({ appUuid: rave.appUuid, version: 2 });
  });

  it.each([
    ['an empty header', { 'mcc-authentication': '' }],
    ['a V1 header without time', { 'x-mws-authentication': `MWS ${rave.appUuid}:AAAA` }],
    ['a malformed header', { 'mcc-authentication': 'Bearer token' }],
  ])('does not let %s pass where authentication is optional', async (_case, headers) => {
    const url = await start();
    expect((await send(`${url}/studies/perhaps`, { headers })).status).toBe(401);
  });

  it('lets a time header alone pass where authentication is optional, for it claims nothing', async () => {
    const url = await start();
    expect((await send(`${url}/studies/perhaps`, { headers: { 'mcc-time': '1' } })).status).toBe(200);
  });

  it('does not take an identity from headers, query or body', async () => {
    const url = await start();
    const headers = { identity: rave.appUuid, appuuid: rave.appUuid, 'mauth-app-uuid': rave.appUuid };
    const { status } = await send(
      `${url}/studies/caller?appUuid=${rave.appUuid}&mauth[appUuid]=${rave.appUuid}`,
      {
        headers,
      },
    );
    expect(status).toBe(401);
  });

  it('answers 401 with one body, whatever the reason', async () => {
    const url = await start();
    const stranger = createTestApp();
    const answers = [
      await send(`${url}/studies`),
      await new Caller(rave).badlySigned(`${url}/studies`),
      await new Caller(stranger).signed(`${url}/studies`),
      await send(`${url}/studies`, { headers: { 'mcc-authentication': 'MWSV2 ../:;', 'mcc-time': 'NaN' } }),
    ];
    for (const { status, text, headers } of answers) {
      expect({ status, text }).toEqual({ status: 401, text: '{"errors":{"mauth":["Unauthorized"]}}' });
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(headers.has('retry-after')).toBe(false);
    }
  });

  it('tells a caller with V1 only that V2 is required', async () => {
    const url = await start({ v2OnlyAuthenticate: true });
    const { status, text } = await new Caller(rave, 'v1').signed(`${url}/studies`);
    expect(status).toBe(401);
    expect(JSON.parse(text)).toEqual({
      type: 'errors:mauth:missing_v2',
      title:
        'This service requires mAuth v2 mcc-authentication header. Upgrade your mAuth library and configure it properly.',
    });
  });

  it('answers 403 to an authentic app that is not among `apps`, and logs which', async () => {
    const logger = new RecordingLogger();
    const url = await start({ logger });
    const { status, text } = await new Caller(other).signed(`${url}/studies/audit`);
    expect({ status, text }).toEqual({ status: 403, text: '{"errors":{"mauth":["Forbidden"]}}' });
    expect(logger.lines).toContainEqual({
      level: 'warn',
      message: `MAuth: GET /studies/audit from app ${other.appUuid} is not allowed at StudiesController.audit (app_not_allowed)`,
    });
    expect((await new Caller(rave).signed(`${url}/studies/audit`)).text).toBe('handled');
  });

  const undecidable = () => {
    throw new Error('the key store is down');
  };

  it('answers 503 and says when to come back if authenticity cannot be decided', async () => {
    const url = await start({ findPublicKey: undecidable, keys: { cooldownSeconds: 9 } });
    const { status, text, headers } = await new Caller(rave).signed(`${url}/studies`);
    expect({ status, text, retryAfter: headers.get('retry-after') }).toEqual({
      status: 503,
      text: '{"errors":{"mauth":["Could not determine request authenticity"]}}',
      retryAfter: '9',
    });
  });

  it('answers 500 instead where `undecidedStatus` says so', async () => {
    const url = await start({ findPublicKey: undecidable, undecidedStatus: 500 });
    const { status, text, headers } = await new Caller(rave).signed(`${url}/studies`);
    expect({ status, text, retryAfter: headers.get('retry-after') }).toEqual({
      status: 500,
      text: '{"errors":{"mauth":["Could not determine request authenticity"]}}',
      retryAfter: null,
    });
  });

  it('answers 413 to a body that is larger than the handler allows', async () => {
    @RequiresMAuth({ maxBodyBytes: 100 })
    @Controller('uploads')
    class UploadsController {
      @Post() create(@Body() { text }: { text: string }) {
        return text.length;
      }
      @RequiresMAuth({ maxBodyBytes: 1000 }) @Post('large') large(@Body() { text }: { text: string }) {
        return text.length;
      }
    }
    const url = await start({}, [UploadsController] as never);
    const upload = (path: string, length: number) =>
      new Caller(rave).signed(`${url}/${path}`, {
        method: 'POST',
        body: JSON.stringify({ text: 'x'.repeat(length) }),
        headers: { 'content-type': 'application/json' },
      });
    expect(await upload('uploads', 50)).toMatchObject({ status: 201, text: '50' });
    expect(await upload('uploads', 500)).toMatchObject({
      status: 413,
      text: '{"errors":{"mauth":["Request body too large"]}}',
    });
    expect(await upload('uploads/large', 500)).toMatchObject({ status: 201, text: '500' });
  });

  it('asks for an authentic request where it was placed by hand, with nothing else written', async () => {
    @UseGuards(MAuthGuard)
    @Controller('by-hand')
    class ByHandController {
      @Get() list() {
        return 'handled';
      }
      @Public() @Get('open') open() {
        return 'handled';
      }
    }
    const url = await start({}, [ByHandController] as never);
    expect((await send(`${url}/by-hand`)).status).toBe(401);
    expect((await new Caller(rave).signed(`${url}/by-hand`)).status).toBe(200);
    expect((await send(`${url}/by-hand/open`)).status).toBe(200);
  });

  it('verifies a request once, however many guards it passes', async () => {
    const logger = new RecordingLogger();
    @RequiresMAuth()
    @Controller('twice')
    class TwiceController {
      @RequiresMAuth()
      @UseGuards(MAuthGuard)
      @Get()
      list() {
        return 'handled';
      }
    }
    const url = await start({ protect: 'everything', logger }, [TwiceController] as never);
    expect((await new Caller(rave).signed(`${url}/twice`)).text).toBe('handled');
    expect(logger.lines.filter(({ message }) => message.includes('attempting to authenticate'))).toHaveLength(
      1,
    );
  });

  it('guards handlers of other modules, with what the global module provides', async () => {
    @RequiresMAuth()
    @Controller('feature')
    class FeatureController {
      @Get() list() {
        return 'handled';
      }
    }
    @Module({ controllers: [FeatureController] })
    class FeatureModule {}
    running = await startApp(createAdapter, { imports: [FeatureModule, MAuthModule.forRoot(options())] });
    expect((await send(`${running.url}/feature`)).status).toBe(401);
    expect((await new Caller(rave).signed(`${running.url}/feature`)).text).toBe('handled');
  });

  it('shows the identity to whoever holds the request, such as a filter', async () => {
    let seen: unknown;
    class SeeingFilter extends BaseExceptionFilter {
      override catch(exception: unknown, host: ArgumentsHost) {
        seen = getMAuthIdentity(host.switchToHttp().getRequest());
        super.catch(exception, host);
      }
    }
    @RequiresMAuth()
    @Controller('failing')
    class FailingController {
      @Get() fail() {
        throw new HttpException('teapot', 418);
      }
    }
    running = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot(options())],
      controllers: [FailingController],
      providers: [{ provide: APP_FILTER, useClass: SeeingFilter }],
    });
    expect((await new Caller(rave).signed(`${running.url}/failing`)).status).toBe(418);
    expect(seen).toEqual({ appUuid: rave.appUuid, protocolVersion: 2 });
  });

  it("can be replaced in an application's tests, where a decorator brought it", async () => {
    const metadata = { imports: [MAuthModule.forRoot(options())], controllers: [StudiesController] };
    running = await startApp(createAdapter, metadata, (builder) =>
      builder.overrideGuard(MAuthGuard).useValue({ canActivate: () => true }),
    );
    expect((await send(`${running.url}/studies/audit`)).text).toBe('handled');
  });

  it("can be replaced in an application's tests, where `protect` put it", async () => {
    @Controller('undecorated')
    class UndecoratedController {
      @Get() list() {
        return 'handled';
      }
    }
    const imports = [MAuthModule.forRoot(options({ protect: 'routes' }))];
    running = await startApp(createAdapter, { imports, controllers: [UndecoratedController] }, (builder) =>
      builder.overrideProvider(MAuthGuard).useValue({ canActivate: () => true }),
    );
    expect((await send(`${running.url}/undecorated`)).text).toBe('handled');
  });
});

describe.each(PLATFORMS)('A subclass of the guard on %s', (_name, createAdapter) => {
  class TeapotException extends HttpException {
    constructor(readonly failure: MAuthInboundFailure) {
      super({ why: failure.code }, 418);
    }
  }

  @Injectable()
  class OwnGuard extends MAuthGuard {
    static readonly passed: string[] = [];

    constructor(private readonly host: HttpAdapterHost) {
      super();
    }

    protected override getRequest(context: ExecutionContext) {
      expect(this.host.httpAdapter).toBeDefined();
      return super.getRequest(context);
    }

    protected override async onAuthenticated(context: ExecutionContext, identity: MAuthIdentity) {
      OwnGuard.passed.push(`${context.getHandler().name} ${identity.appUuid} ${identity.protocolVersion}`);
      if (context.switchToHttp().getRequest<{ url: string }>().url.includes('unwelcome')) {
        throw new MAuthUnauthorizedException({ why: 'unwelcome' });
      }
    }

    protected override toException(failure: MAuthInboundFailure) {
      return new TeapotException(failure);
    }
  }

  @UseGuards(OwnGuard)
  @Controller('own')
  class OwnController {
    @Get() list() {
      return 'handled';
    }
  }

  let running: RunningApp;
  beforeAll(async () => {
    running = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot(options())],
      controllers: [OwnController],
    });
  });
  afterAll(() => running.close());

  it('is told who has passed, and may refuse after all', async () => {
    OwnGuard.passed.length = 0;
    expect((await new Caller(rave).signed(`${running.url}/own`)).text).toBe('handled');
    expect(OwnGuard.passed).toEqual([`list ${rave.appUuid} 2`]);
    const refused = await new Caller(rave).signed(`${running.url}/own?unwelcome`);
    expect(refused).toMatchObject({ status: 401, text: '{"why":"unwelcome"}' });
  });

  /** Uses an application with one handler, which the guard stands in front of. */
  async function behind(guard: typeof MAuthGuard, use: (url: string) => Promise<void>) {
    @UseGuards(guard)
    @Controller('guarded')
    class GuardedController {
      @Get()
      get() {
        return 'ran';
      }
    }
    const imports = [MAuthModule.forRoot(options())];
    const app = await startApp(createAdapter, { imports, controllers: [GuardedController] });
    try {
      await use(`${app.url}/guarded`);
    } finally {
      await app.close();
    }
  }

  it.each([undefined, null, 'request'])('is undecided about %p in place of a request', async (nothing) => {
    @Injectable()
    class AbsentGuard extends MAuthGuard {
      protected override getRequest() {
        return nothing;
      }
    }
    await behind(AbsentGuard, async (url) => expect((await new Caller(rave).signed(url)).status).toBe(503));
  });

  it('is waited for, whatever make its promise is of', async () => {
    @Injectable()
    class RefusingGuard extends MAuthGuard {
      protected override onAuthenticated() {
        const refusal = new MAuthUnauthorizedException({ why: 'unwelcome' });
        const then = (_: unknown, reject: (error: Error) => void) => setImmediate(() => reject(refusal));
        return { then } as unknown as Promise<void>;
      }
    }
    await behind(RefusingGuard, async (url) => expect((await new Caller(rave).signed(url)).status).toBe(401));
  });

  it('answers without a promise once the key is at hand', async () => {
    const answers: unknown[] = [];
    @Injectable()
    class RecordingGuard extends MAuthGuard {
      override canActivate(context: ExecutionContext) {
        const answer = super.canActivate(context);
        answers.push(answer);
        return answer;
      }
    }
    await behind(RecordingGuard, async (url) => {
      for (const query of ['first', 'second'])
        expect((await new Caller(rave).signed(`${url}?${query}`)).text).toBe('ran');
    });
    expect(answers).toEqual([expect.any(Promise), true]);
  });

  it('chooses the exception, and is told the reason', async () => {
    expect(await send(`${running.url}/own`)).toMatchObject({
      status: 418,
      text: '{"why":"missing_headers"}',
    });
  });
});

describe('Handlers that are not reached by HTTP', () => {
  class Resolver {
    ran = 0;
    query() {
      this.ran += 1;
      return 'handled';
    }
    @Public()
    open() {
      return 'handled';
    }
  }

  it.each(['ws', 'rpc', 'graphql', 'something-else'])('are refused in a context of type %s', async (type) => {
    const [, createAdapter] = PLATFORMS[0];
    const { app, close } = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot(options({ protect: 'routes' }))],
      providers: [Resolver],
    });
    const resolver = app.get(Resolver);
    const reach = (method: 'query' | 'open') =>
      app
        .get(ExternalContextCreator)
        .create(
          resolver,
          resolver[method],
          method,
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          type,
        );
    await expect(reach('query')()).rejects.toThrow(new RegExp(`type "${type}".*@Public\\(\\)`));
    expect(resolver.ran).toBe(0);
    await expect(reach('open')()).resolves.toBe('handled');
    await close();
  });
});

describe('A parameter for the caller', () => {
  class Gateway {
    @Public()
    message(@AppUuid({ optional: true }) appUuid: unknown) {
      return appUuid ?? 'nobody';
    }
    @Public()
    strict(@AppUuid() appUuid: unknown) {
      return appUuid;
    }
  }

  it('has none where the handler is not reached by HTTP', async () => {
    const [, createAdapter] = PLATFORMS[0];
    const { app, close } = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot(options())],
      providers: [Gateway],
    });
    const gateway = app.get(Gateway);
    const parameters = { exchangeKeyForValue: () => undefined };
    const reach = (method: 'message' | 'strict') =>
      app
        .get(ExternalContextCreator)
        .create(
          gateway,
          gateway[method],
          method,
          '__routeArguments__',
          parameters,
          undefined,
          undefined,
          undefined,
          'ws',
        )({ appUuid: rave.appUuid });
    await expect(reach('message')).resolves.toBe('nobody');
    await expect(reach('strict')).rejects.toThrow(MAuthUnauthorizedException);
    await close();
  });
});

describe("The guard's exceptions", () => {
  class ExposedGuard extends MAuthGuard {
    exceptionFor(failure: MAuthInboundFailure) {
      return this.toException(failure);
    }
  }
  const failures: [MAuthInboundFailure, new (...parameters: never[]) => HttpException][] = [
    [{ authentic: false, status: 400, code: 'body_aborted' }, BadRequestException],
    [{ authentic: false, status: 401, code: 'unknown_app' }, MAuthUnauthorizedException],
    [{ authentic: true, status: 403, code: 'app_not_allowed' }, MAuthForbiddenException],
    [{ authentic: false, status: 408, code: 'body_timeout' }, RequestTimeoutException],
    [{ authentic: false, status: 413, code: 'body_too_large' }, PayloadTooLargeException],
    [{ authentic: false, status: 503, code: 'body_budget_full' }, MAuthUnavailableException],
    [{ authentic: false, status: 503, code: 'too_many_lookups' }, MAuthUnavailableException],
  ];

  it.each(failures)('for %j', async (failure, kind) => {
    const [, createAdapter] = PLATFORMS[0];
    const metadata = { imports: [MAuthModule.forRoot(options())], providers: [ExposedGuard] };
    const { app, close } = await startApp(createAdapter, metadata);
    const exception = app.get(ExposedGuard).exceptionFor(failure);
    expect(exception).toBeInstanceOf(kind);
    expect(exception.getStatus()).toBe(failure.status);
    await close();
  });
});

describe('@MAuthCaller', () => {
  it('refuses a property that callers do not have', () => {
    expect(() => MAuthCaller('uuid' as never)).toThrow(/"uuid".*appUuid and protocolVersion/);
    expect(() => MAuthCaller('constructor' as never)).toThrow(/"constructor"/);
  });
});
