import { setTimeout as sleep } from 'node:timers/promises';
import {
  Controller,
  Get,
  Headers,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import { MAUTH_INBOUND_AUTHENTICATOR, MAUTH_PROTECT, MAUTH_SETTINGS } from '../../lib/nest/tokens.js';
import {
  MAuthAuthenticator,
  MAuthConfigurationError,
  MAuthGuard,
  MAuthHttpService,
  MAuthKeyCache,
  MAuthModule,
  mauthOptionsFromEnv,
  MAuthSigner,
  RequiresMAuth,
  type MAuthModuleOptions,
  type MAuthOptionsFactory,
} from '../../lib/index.js';
import { nestCoreProvider } from '../../lib/nest/nest-core.js';
import { MAuthStartUpCheck } from '../../lib/nest/start-up-check.js';
import { Caller, send } from '../support/caller.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const rave = createTestApp();
const [, createAdapter] = PLATFORMS[0];

function options(more: Partial<MAuthModuleOptions> = {}): MAuthModuleOptions {
  return {
    appUuid: own.appUuid,
    privateKey: own.privateKeyPem,
    findPublicKey: (appUuid) => (appUuid === rave.appUuid ? rave.publicKeyPem : undefined),
    logger: new RecordingLogger(),
    ...more,
  };
}

@RequiresMAuth()
@Controller('studies')
class StudiesController {
  @Get() list() {
    return 'handled';
  }
}

@Controller('undecorated')
class UndecoratedController {
  @Get() list() {
    return 'handled';
  }
}

@Controller('echo')
class EchoController {
  @Get() echo(@Headers() headers: object) {
    return headers;
  }
}

const controllers = [StudiesController, UndecoratedController];
const running: RunningApp[] = [];

async function start(
  imports: (DynamicModule | Type)[],
  withControllers: Type[] = controllers,
): Promise<RunningApp> {
  const app = await startApp(createAdapter, { imports, controllers: withControllers });
  running.push(app);
  return app;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()));
});

async function expectProtected({ url }: RunningApp) {
  expect((await send(`${url}/studies`)).status).toBe(401);
  expect((await new Caller(rave).signed(`${url}/studies`)).text).toBe('handled');
}

@Injectable()
class Vault {
  options() {
    return options();
  }
}
@Module({ providers: [Vault], exports: [Vault] })
class VaultModule {}

@Injectable()
class OptionsFromVault implements MAuthOptionsFactory {
  constructor(private readonly vault: Vault) {}
  async createMAuthOptions() {
    return this.vault.options();
  }
}
@Injectable()
class OptionsAtHand implements MAuthOptionsFactory {
  createMAuthOptions() {
    return options();
  }
}
@Module({ imports: [VaultModule], providers: [OptionsFromVault], exports: [OptionsFromVault] })
class OptionsModule {}

describe('MAuthModule is registered', () => {
  const registrations: [string, () => DynamicModule][] = [
    ['forRoot', () => MAuthModule.forRoot(options())],
    ['forRootAsync with useFactory', () => MAuthModule.forRootAsync({ useFactory: () => options() })],
    [
      'forRootAsync with an asynchronous useFactory',
      () => MAuthModule.forRootAsync({ useFactory: async () => options() }),
    ],
    [
      'forRootAsync with useFactory, imports and inject',
      () =>
        MAuthModule.forRootAsync({
          imports: [VaultModule],
          inject: [Vault],
          useFactory: (vault: Vault) => vault.options(),
        }),
    ],
    [
      'forRootAsync with an optional dependency that is not there',
      () =>
        MAuthModule.forRootAsync({
          inject: [{ token: 'nobody', optional: true }],
          useFactory: (nobody?: unknown) => options({ apps: nobody ? { nobody: 'x' } : {} }),
        }),
    ],
    ['forRootAsync with useClass', () => MAuthModule.forRootAsync({ useClass: OptionsAtHand })],
    [
      'forRootAsync with useClass that injects from imports',
      () => MAuthModule.forRootAsync({ imports: [VaultModule], useClass: OptionsFromVault }),
    ],
    [
      'forRootAsync with useClass that injects from extraProviders',
      () => MAuthModule.forRootAsync({ extraProviders: [Vault], useClass: OptionsFromVault }),
    ],
    [
      'forRootAsync with useExisting',
      () => MAuthModule.forRootAsync({ imports: [OptionsModule], useExisting: OptionsFromVault }),
    ],
    [
      'forRootAsync with useFactory and extraProviders',
      () =>
        MAuthModule.forRootAsync({
          extraProviders: [Vault],
          inject: [Vault],
          useFactory: (vault: Vault) => vault.options(),
        }),
    ],
  ];

  it.each(registrations)('by %s', async (_name, register) => {
    const app = await start([register()]);
    await expectProtected(app);
    expect((await send(`${app.url}/undecorated`)).text).toBe('handled');
  });

  it.each([
    ['forRoot', () => MAuthModule.forRoot({ ...options(), protect: 'routes' })],
    ['forRootAsync', () => MAuthModule.forRootAsync({ useFactory: () => options(), protect: 'routes' })],
  ])('by %s with `protect` at the top level', async (_name, register) => {
    const app = await start([register()]);
    expect((await send(`${app.url}/undecorated`)).status).toBe(401);
    expect((await new Caller(rave).signed(`${app.url}/undecorated`)).text).toBe('handled');
  });

  it.each([
    ['forRoot', () => MAuthModule.forRoot({ ...options(), protect: 'everything', exempt: ['/open'] })],
    [
      'forRootAsync',
      () =>
        MAuthModule.forRootAsync({ useFactory: () => options(), protect: 'everything', exempt: ['/open'] }),
    ],
  ])('by %s with `exempt` at the top level', async (_name, register) => {
    const { url } = await start([register()]);
    expect((await send(`${url}/open`)).status).toBe(404);
    expect((await send(`${url}/app_status`)).status).toBe(401);
  });

  it('leaves /app_status open with `everything` by default, and nothing else', async () => {
    @Controller('app_status')
    class StatusController {
      @Get() status() {
        return 'handled';
      }
    }
    const mauth = () => MAuthModule.forRoot({ ...options(), protect: 'everything' });
    const without = await start([mauth()], []);
    expect((await send(`${without.url}/app_status`)).status).toBe(404);
    expect((await send(`${without.url}/elsewhere`)).status).toBe(401);
    const withHandler = await start([mauth()], [StatusController]);
    expect((await send(`${withHandler.url}/app_status`)).text).toBe('handled');
    expect((await send(`${withHandler.url}/elsewhere`)).status).toBe(401);
  });

  it('provides signer, authenticator, key cache, guard and HTTP service to the whole application', async () => {
    const tokens = [MAuthSigner, MAuthAuthenticator, MAuthKeyCache, MAuthGuard, MAuthHttpService];
    @Module({
      providers: tokens.map((token) => ({
        provide: `my ${token.name}`,
        inject: [token],
        useFactory: (it) => it,
      })),
    })
    class FeatureModule {}
    const { app } = await start([FeatureModule, MAuthModule.forRoot(options())]);
    for (const token of tokens) expect(app.get(`my ${token.name}`, { strict: false })).toBeInstanceOf(token);
  });

  it('serves only modules that import it where `isGlobal` is false', async () => {
    const mauth = MAuthModule.forRoot({ ...options(), isGlobal: false });
    @Module({ imports: [mauth], controllers: [StudiesController] })
    class ImportingModule {}
    await expectProtected(await start([ImportingModule], []));

    @Module({ controllers: [StudiesController] })
    class ForgetfulModule {}
    await expect(start([ForgetfulModule, mauth], [])).rejects.toThrow(/MAuthGuard/);
  });

  it('serves modules that get it from a module that exports it', async () => {
    @Module({ imports: [MAuthModule.forRoot({ ...options(), isGlobal: false })], exports: [MAuthModule] })
    class SharedModule {}
    @Module({ imports: [SharedModule], controllers: [StudiesController] })
    class FeatureModule {}
    await expectProtected(await start([FeatureModule], []));
  });

  it('may also be imported bare where it is global', async () => {
    @Module({ imports: [MAuthModule], controllers: [StudiesController] })
    class FeatureModule {}
    await expectProtected(await start([MAuthModule.forRoot(options()), FeatureModule], []));
  });

  it('sends signed requests with the `http` options', async () => {
    const app = await start([
      MAuthModule.forRoot({ ...options(), http: { headers: { 'x-sent-by': 'us' } } }),
    ]);
    const echo = await startApp(createAdapter, { controllers: [EchoController] });
    const { data } = await app.app.get(MAuthHttpService).axiosRef.get(`${echo.url}/echo`);
    expect(data).toMatchObject({
      'x-sent-by': 'us',
      'x-mws-authentication': expect.stringMatching(own.appUuid),
    });
    await echo.close();
  });
});

describe('Options from the environment', () => {
  const before = { ...process.env };
  const environment = {
    APP_UUID: own.appUuid,
    PRIVATE_KEY: own.privateKeyPem.replaceAll('\n', '\\n'),
    V2_ONLY_AUTHENTICATE: 'true',
  };
  let service: MAuthServiceStandIn;

  beforeAll(async () => {
    service = await MAuthServiceStandIn.start({ apps: [own, rave] });
  });
  afterAll(() => service.stop());
  afterEach(() => {
    process.env = { ...before };
  });

  it('are read by forRoot() when the application starts', async () => {
    const mauth = MAuthModule.forRoot();
    Object.assign(process.env, environment, { MAUTH_URL: service.url });
    const { url } = await start([mauth]);
    expect((await new Caller(rave).signed(`${url}/studies`)).text).toBe('handled');
    expect((await new Caller(rave, 'v1').signed(`${url}/studies`)).text).toMatch(/missing_v2/);
    expect(service.refusals).toEqual([]);
  });

  it('are named where they are missing', async () => {
    for (const name of ['APP_UUID', 'MAUTH_APP_UUID', 'APP_MAUTH_UUID']) delete process.env[name];
    await expect(start([MAuthModule.forRoot()])).rejects.toThrow(
      /`appUuid` .*APP_UUID, MAUTH_APP_UUID, APP_MAUTH_UUID/,
    );
  });

  it('are not read by forRoot with an argument', async () => {
    Object.assign(process.env, environment, { MAUTH_URL: service.url });
    await expect(start([MAuthModule.forRoot({} as never)])).rejects.toThrow(/`appUuid`/);
    const { url } = await start([MAuthModule.forRoot(options())]);
    expect((await new Caller(rave, 'v1').signed(`${url}/studies`)).text).toBe('handled');
  });

  it('can be completed', async () => {
    Object.assign(process.env, environment, { MAUTH_URL: service.url });
    const { url } = await start([MAuthModule.forRoot({ ...mauthOptionsFromEnv(), protect: 'routes' })]);
    expect((await send(`${url}/undecorated`)).status).toBe(401);
    expect((await new Caller(rave).signed(`${url}/undecorated`)).text).toBe('handled');
  });
});

describe('An encrypted private key', () => {
  it('is decrypted before the application listens', async () => {
    const invert = (bytes: Buffer) => bytes.map((byte) => byte ^ 0xff) as Buffer;
    const ciphertext = invert(Buffer.from(own.privateKeyPem)).toString('base64');
    let isDecrypted = false;
    const { app } = await start([
      MAuthModule.forRoot({
        ...options({ privateKey: ciphertext }),
        decryptPrivateKey: async (bytes) => {
          await sleep(50);
          isDecrypted = true;
          return invert(bytes);
        },
      }),
    ]);
    expect(isDecrypted).toBe(true);
    await expect(app.get(MAuthSigner).signRequest({ method: 'GET', url: '/' })).resolves.toBeDefined();
  });

  it('stops the start-up where it cannot be decrypted', async () => {
    const mauth = MAuthModule.forRoot({
      ...options({ privateKey: 'bm90IGEga2V5' }),
      decryptPrivateKey: () => Promise.reject(new Error('no permission')),
    });
    await expect(start([mauth])).rejects.toThrow(/`privateKey` .*`decryptPrivateKey` failed/);
  });
});

describe('An application does not start', () => {
  const expectRefusal = async (
    imports: () => (DynamicModule | Type)[],
    message: RegExp,
    withControllers: Type[] = controllers,
  ) => {
    const starting = (async () => start(imports(), withControllers))();
    await expect(starting).rejects.toThrow(MAuthConfigurationError);
    await expect(starting).rejects.toThrow(message);
  };

  it.each(['routes', 'everything'] as const)(
    "with protect: '%s' and nobody to ask for keys",
    async (protect) => {
      const mauth = () => [MAuthModule.forRoot({ ...options({ findPublicKey: undefined }), protect })];
      await expectRefusal(mauth, /`mauthUrl` \(environment: MAUTH_URL\) or `findPublicKey`/, []);
    },
  );

  it('with a decorated handler and nobody to ask for keys', async () => {
    const mauth = () => [MAuthModule.forRoot(options({ findPublicKey: undefined }))];
    await expectRefusal(mauth, /`mauthUrl` \(environment: MAUTH_URL\) or `findPublicKey`/);
  });

  it.each([
    ['text', 'https://api.example.com', /`http` must be an object/],
    ['null', null, /`http` must be an object/],
    [
      'text where it says true or false',
      { authenticateResponses: 'no' },
      /`http.authenticateResponses` must be/,
    ],
  ])('with `http` that is %s', async (_, http, message) => {
    await expectRefusal(() => [MAuthModule.forRoot(options({ http } as never))], message);
  });

  it('in remote mode without `mauthUrl`, even with `findPublicKey`', async () => {
    await expectRefusal(() => [MAuthModule.forRoot(options({ mode: 'remote' }))], /`mauthUrl`/);
  });

  it('with an unknown app in a decorator', async () => {
    @Controller('wrong')
    class WrongController {
      @RequiresMAuth({ apps: ['raev'] }) @Get() list() {}
    }
    await expectRefusal(() => [MAuthModule.forRoot(options())], /^WrongController\.list .*"raev"/, [
      WrongController,
    ]);
  });

  it('with a mistaken decorator on a provider, such as a resolver', async () => {
    @Injectable()
    class WrongResolver {
      @RequiresMAuth({ apps: [] }) query() {}
    }
    @Module({ providers: [WrongResolver] })
    class WrongModule {}
    await expectRefusal(
      () => [WrongModule, MAuthModule.forRoot(options())],
      /^WrongResolver\.query .*empty `apps`/,
    );
  });

  it.each(['decorated', 'routes', 'everything'] as const)(
    "with options that depend on a request, with protect: '%s'",
    async (protect) => {
      @Injectable({ scope: Scope.REQUEST })
      class PerRequest {}
      for (const dependency of [REQUEST, PerRequest]) {
        const mauth = MAuthModule.forRootAsync({
          extraProviders: [PerRequest],
          inject: [dependency],
          useFactory: () => options(),
          protect,
        });
        // Some versions of Nest find it before we do.
        await expect(start([mauth], [])).rejects.toThrow(/request-scoped/);
      }
    },
  );

  it('with options that depend on a request-scoped provider, where Nest does not mind', async () => {
    const perRequest = (provide: symbol) => ({ provide, scope: Scope.REQUEST, useFactory: () => ({}) });
    @Module({
      providers: [
        nestCoreProvider,
        perRequest(MAUTH_SETTINGS),
        perRequest(MAUTH_INBOUND_AUTHENTICATOR),
        { provide: MAUTH_PROTECT, useValue: 'routes' },
        MAuthGuard,
        MAuthStartUpCheck,
      ],
    })
    class WithoutGlobalGuard {}
    await expectRefusal(
      () => [WithoutGlobalGuard],
      /request-scoped or transient.*inject singletons only/,
      [],
    );
  });

  it('where MAuthModule is imported bare and nobody called forRoot', async () => {
    await expectRefusal(() => [MAuthModule], /call MAuthModule\.forRoot\(\) or forRootAsync\(\)/, []);
  });

  it('where forRoot is called twice', async () => {
    await expectRefusal(
      () => [MAuthModule.forRoot(options()), MAuthModule.forRoot(options())],
      /more than once in this application/,
    );
  });

  it.each([
    ['isGlobal', { isGlobal: 'yes' }, /`isGlobal` must be true or false/],
    ['protect', { protect: 'all' }, /`protect` must be decorated, routes or everything/],
    ['exempt', { exempt: '/open' }, /`exempt` must be a list of paths/],
    ['exempt', { exempt: ['open'] }, /`exempt` must be a list of paths/],
    ['exempt', { exempt: ['/open?query'] }, /`exempt` must be a list of paths/],
  ])('with a mistaken `%s`: %j', async (_name, extras, message) => {
    await expectRefusal(() => [MAuthModule.forRoot({ ...options(), ...(extras as object) })], message);
    await expectRefusal(
      () => [MAuthModule.forRootAsync({ useFactory: () => options(), ...(extras as object) })],
      message,
    );
  });

  it.each(['protect', 'exempt', 'isGlobal'])('where a factory returns `%s`', async (extra) => {
    await expectRefusal(
      () => [MAuthModule.forRootAsync({ useFactory: () => ({ ...options(), [extra]: 'everything' }) })],
      new RegExp(`\`${extra}\` .* stands beside \`useFactory\``),
    );
  });

  it.each([
    ['nothing', {}],
    ['two sources', { useFactory: () => options(), useClass: OptionsAtHand }],
    ['undefined', undefined],
  ])('where forRootAsync gets %s', async (_case, asyncOptions) => {
    await expectRefusal(
      () => [MAuthModule.forRootAsync(asyncOptions as never)],
      /exactly one of `useFactory`, `useClass` and `useExisting`/,
    );
  });

  it('where a factory returns nothing', async () => {
    await expectRefusal(
      () => [MAuthModule.forRootAsync({ useFactory: () => undefined as never })],
      /`appUuid`/,
    );
  });

  it('with an option that does not exist', async () => {
    await expectRefusal(
      () => [MAuthModule.forRoot({ ...options(), protekt: 'routes' } as never)],
      /`protekt` is not an option/,
    );
  });
});

describe('The life of an application', () => {
  it('begins with one line that says what is set up', async () => {
    const logger = new RecordingLogger();
    await start([MAuthModule.forRoot({ ...options({ logger }), protect: 'routes' })]);
    expect(logger.lines).toEqual([
      {
        level: 'log',
        message: `MAuth is set up as app ${own.appUuid}: signs v1, authenticates in local mode with findPublicKey, protects routes.`,
      },
    ]);
  });

  it('needs no HTTP server', async () => {
    @Module({ imports: [MAuthModule.forRoot(options())] })
    class ScriptModule {}
    const context = await NestFactory.createApplicationContext(ScriptModule, { logger: false });
    await expect(context.get(MAuthSigner).signRequest({ method: 'GET', url: '/' })).resolves.toBeDefined();
    await context.close();
  });

  it('needs nobody to ask for keys where it only signs', async () => {
    const logger = new RecordingLogger();
    const signing = { appUuid: own.appUuid, privateKey: own.privateKey, logger };
    const { app } = await start([MAuthModule.forRoot(signing)], [UndecoratedController]);
    await expect(app.get(MAuthSigner).signRequest({ method: 'GET', url: '/' })).resolves.toBeDefined();
    expect(logger.lines[0]?.message).toMatch(/authenticates nothing/);
  });

  it('fetches the keys of `keys.warmUp` before it listens, and closes its connections at the end', async () => {
    const service = await MAuthServiceStandIn.start({ apps: [own, rave] });
    const { findPublicKey: _none, ...fromService } = options({
      mauthUrl: service.url,
      keys: { warmUp: [rave.appUuid] },
    });
    const app = await startApp(createAdapter, { imports: [MAuthModule.forRoot(fromService)], controllers });
    expect(service.fetches(rave)).toBe(1);
    await expectProtected(app);
    expect(service.fetches(rave)).toBe(1);
    expect(service.openConnections).toBe(1);
    await app.close();
    // The other side learns of it a moment later; kept alive, the connection would outlast this loop.
    for (let tries = 0; tries < 100 && service.openConnections > 0; tries++) await sleep(10);
    const openConnections = service.openConnections;
    await service.stop();
    expect(openConnections).toBe(0);
  });

  it('lets the MAuth service verify in remote mode', async () => {
    const service = await MAuthServiceStandIn.start({ apps: [own, rave] });
    const { findPublicKey: _none, ...fromService } = options({ mauthUrl: service.url, mode: 'remote' });
    const { url } = await start([MAuthModule.forRoot(fromService)]);
    expect((await new Caller(rave).signed(`${url}/studies?page=1`)).text).toBe('handled');
    expect((await new Caller(rave).badlySigned(`${url}/studies`)).status).toBe(401);
    expect(service.fetches()).toBe(0);
    await service.stop();
  });
});
