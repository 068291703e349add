import {
  All,
  Body,
  Controller,
  Get,
  Head,
  Module,
  Options,
  Post,
  RequestMethod,
  UseGuards,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
  type INestApplication,
  type Type,
  type VersioningOptions,
} from '@nestjs/common';
import { RouterModule, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type InboundAuthenticator } from '../../lib/nest/inbound-authenticator.js';
import { MAUTH_INBOUND_AUTHENTICATOR } from '../../lib/nest/tokens.js';
import { RouteMap } from '../../lib/nest/route-map.js';
import {
  AppUuid,
  MAuthConfigurationError,
  MAuthGuard,
  MAuthModule,
  OptionalMAuth,
  Public,
  RequiresMAuth,
} from '../../lib/index.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { caller, service } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendBytes, sendSigned, type HttpRequest } from '../support/signed-http.js';

type Prepare = (app: INestApplication) => unknown;

function mauth(exempt?: readonly string[]) {
  return MAuthModule.forRoot({
    appUuid: service.appUuid,
    findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
    logger: new RecordingLogger(),
    protect: 'everything',
    exempt,
  });
}

class Inherited {
  @Get('inherited') inherited() {
    return this.constructor.name;
  }
}

@Public()
@Controller('open')
class OpenController extends Inherited {
  @Get('get') get() {
    return 'get';
  }
  @Post('post') post() {
    return 'post';
  }
  @All('all') all() {
    return 'all';
  }
  @Head('head') head() {
    return '';
  }
  @Options('options') options() {
    return 'options';
  }
  @Get(['one', 'two/']) several() {
    return 'several';
  }
  @Get('Mixed-Case_1.0~x') mixed() {
    return 'mixed';
  }
}

/** Without versions both of its handlers would have the same route. */
@Controller('versioned')
class VersionedController {
  @Public() @Version('2') @Get() second() {
    return 'second';
  }
  @Version('5') @Get() closed() {
    return 'closed';
  }
  @OptionalMAuth() @Version(['3', VERSION_NEUTRAL]) @Get() third() {
    return 'third';
  }
}

@Controller('closed')
class ClosedController extends Inherited {
  @Get('get') get() {
    return 'get';
  }
}

@Controller()
class RootController {
  @Public() @Get() root() {
    return 'root';
  }
  @Public() @Get('excluded') excluded() {
    return 'excluded';
  }
  @OptionalMAuth() @Get('optional') optional(@AppUuid({ optional: true }) appUuid?: string) {
    return appUuid ?? 'optional';
  }
}

@Controller({ path: ['first', 'second'], host: 'status.example' })
class HostController {
  @Public() @Get('host') host() {
    return 'host';
  }
}

@Public()
@Controller({ path: 'child', version: ['1', '4'] })
class ChildController {
  @Get('page') page() {
    return 'page';
  }
}
@Module({ controllers: [ChildController] })
class ChildModule {}

const controllers = [OpenController, ClosedController, RootController, HostController];
const imports = [
  ChildModule,
  RouterModule.register([{ path: 'parent', children: [{ path: '/nested/', module: ChildModule }] }]),
];

const PREFIXES: Record<string, Prepare> = {
  'no prefix': () => undefined,
  'the prefix api': (app) => app.setGlobalPrefix('api'),
  'the prefix /api/v1/': (app) => app.setGlobalPrefix('/api/v1/'),
  'a prefix with exclusions': (app) =>
    app.setGlobalPrefix('api', {
      exclude: ['excluded', { path: 'open/get', method: RequestMethod.GET }, 'parent/{*rest}'],
    }),
};

const VERSIONING: Record<string, VersioningOptions | undefined> = {
  'no versions': undefined,
  'versions in the URI': { type: VersioningType.URI },
  'versions in the URI with a default': { type: VersioningType.URI, defaultVersion: ['1', VERSION_NEUTRAL] },
  'versions in the URI without a letter': { type: VersioningType.URI, prefix: false, defaultVersion: '7' },
  'versions in a header': { type: VersioningType.HEADER, header: 'x-version', defaultVersion: '1' },
  'versions in the media type': { type: VersioningType.MEDIA_TYPE, key: 'v=' },
  'versions of its own kind': {
    type: VersioningType.CUSTOM,
    defaultVersion: '1',
    extractor: (request) => {
      const { headers } = request as { headers: Record<string, string> };
      return headers['x-version'] ?? '';
    },
  },
};

/** Headers by which a request comes to any of the versions. */
const VERSIONS = ['', '1', '2', '3', '4', '7'].map((version) => ({
  ...(version && { 'x-version': version, accept: `application/json;v=${version}` }),
  host: 'status.example',
}));

const HANDLERS = [
  'ChildController.page',
  'ClosedController.get',
  'ClosedController.inherited',
  'HostController.host',
  ...['all', 'get', 'head', 'inherited', 'mixed', 'options', 'post', 'several'].map(
    (name) => `OpenController.${name}`,
  ),
  ...['excluded', 'optional', 'root'].map((name) => `RootController.${name}`),
];
const VERSIONED_HANDLERS = ['closed', 'second', 'third'].map((name) => `VersionedController.${name}`);

function isClosed(controller: unknown, name: string): boolean {
  return controller === ClosedController || name === 'closed';
}

const MATRIX = Object.keys(PREFIXES).flatMap((prefix) =>
  Object.keys(VERSIONING).map((versioning) => ({ prefix, versioning })),
);

describe.each(PLATFORMS)('Handlers that are open behind the gate on %s', (platform, createAdapter) => {
  let running: RunningApp | undefined;

  afterEach(async () => {
    await running?.close();
    running = undefined;
  });

  async function start(
    withControllers: Type[],
    options: {
      prepare?: Prepare;
      exempt?: readonly string[];
      adapter?: AbstractHttpAdapter;
      imports?: object[];
    } = {},
  ): Promise<number> {
    const { prepare, exempt, adapter = createAdapter(), imports: others = [] } = options;
    running = await startApp(
      () => adapter,
      { imports: [mauth(exempt), ...(others as Type[])], controllers: withControllers },
      undefined,
      prepare,
    );
    return Number(new URL(running.url).port);
  }

  function ask(port: number, path: string, more: Partial<HttpRequest> = {}) {
    return sendBytes({ port, method: 'GET', path, ...more });
  }

  function mapped() {
    const { app } = running as RunningApp;
    const { routes = [] } = app.get<InboundAuthenticator>(MAUTH_INBOUND_AUTHENTICATOR);
    return app.get(RouteMap).of(routes);
  }

  describe.each(MATRIX)('with $prefix and $versioning', ({ prefix, versioning }) => {
    let port: number;
    const hasVersions = VERSIONING[versioning] !== undefined;

    beforeEach(async () => {
      port = await start(hasVersions ? [...controllers, VersionedController] : controllers, {
        imports,
        prepare: (app) => {
          PREFIXES[prefix]?.(app);
          if (hasVersions) app.enableVersioning(VERSIONING[versioning]);
        },
      });
    });

    it('are reached unsigned at the paths that the router has, and no others are', async () => {
      const routes = mapped();
      const found = new Set<string>();
      for (const { method, path, places } of routes) {
        expect(places).toHaveLength(1);
        const { controller, handler } = places[0];
        const name = handler.name === 'inherited' ? controller.name : handler.name;
        const verb = method === 'ALL' ? 'DELETE' : method;
        const answers = await Promise.all(
          VERSIONS.map((headers) => ask(port, path, { method: verb, headers })),
        );
        const texts = answers.filter(({ status }) => status < 300).map(({ text }) => text);
        // The route may lead to other handlers in other versions, and those are theirs to answer.
        if (isClosed(controller, name)) expect(texts).not.toContain(name);
        else expect(texts).toContain(method === 'HEAD' ? '' : name);
        found.add(`${controller.name}.${handler.name}`);
      }
      expect([...found].toSorted()).toEqual(
        [...HANDLERS, ...(hasVersions ? VERSIONED_HANDLERS : [])].toSorted(),
      );
      for (const path of ['/no/such/page', '/closed/get', '/api/closed/get']) {
        expect((await ask(port, path)).status).toBe(401);
      }
    });
  });

  it.each([
    ['as the routers are by default', () => createAdapter(), () => undefined],
    ['with a strict or a lenient router', () => otherRouter(platform), otherSettings],
  ] as const)('are open in one spelling only, %s', async (_, adapter, prepare) => {
    const port = await start(controllers, { adapter: adapter(), imports, prepare });
    for (const path of ['/open/get', '/open/Mixed-Case_1.0~x', '/first/host', '/optional']) {
      expect([path, (await ask(port, path, { headers: VERSIONS[0] })).status]).toEqual([path, 200]);
      expect((await ask(port, `${path}?query=/../x`, { headers: VERSIONS[0] })).status).toBe(200);
      const others = [
        `${path}/`,
        `/${path}`,
        `${path}//`,
        path.replace('/', '/./'),
        `/x/..${path}`,
        path.toUpperCase(),
        path.toLowerCase(),
        path.replace('o', '%6f'),
        path.replace(/t$/, '%74'),
        `${path}%00`,
        `${path}%2f`,
        `${path};x`,
        `${path}.`,
        path.replaceAll('/', '\\'),
        `http://127.0.0.1${path}`,
      ];
      for (const other of others.filter((one) => one !== path)) {
        const connection = await RawConnection.open(port);
        await connection.writeHead(`GET ${other}`, { host: 'status.example' });
        const answer = await connection.answer();
        connection.destroy();
        expect([other, answer?.status]).toEqual([other, answer?.status === 400 ? 400 : 401]);
      }
    }
  });

  it('are open for their own methods only, and for HEAD where they are for GET', async () => {
    const port = await start(controllers);
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'];
    const open = async (path: string) => {
      const statuses = methods.map(async (method) => (await ask(port, path, { method })).status < 300);
      const reached = await Promise.all(statuses);
      return methods.filter((_method, index) => reached[index]);
    };
    expect(await open('/open/get')).toEqual(['GET', 'HEAD']);
    expect(await open('/open/post')).toEqual(['POST']);
    expect(await open('/open/head')).toEqual(['HEAD']);
    expect(await open('/open/options')).toEqual(['OPTIONS']);
    expect(await open('/open/all')).toEqual(methods);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await ask(port, '/open/get', { method })).status).toBe(401);
    }
  });

  it('are still told who signed, where that is optional, and never accept a bad signature', async () => {
    const port = await start(controllers);
    expect((await ask(port, '/optional')).text).toBe('optional');
    expect((await sendSigned({ port, method: 'GET', path: '/optional' })).text).toBe(caller.appUuid);
    const bad = { 'mcc-authentication': `MWSV2 ${caller.appUuid}:AAAA;`, 'mcc-time': 1 };
    expect((await ask(port, '/optional', { headers: bad })).status).toBe(401);
    expect((await ask(port, '/optional', { headers: { 'x-mws-authentication': '' } })).status).toBe(401);
    expect((await ask(port, '/open/get', { headers: bad })).text).toBe('get');
  });

  it('share a route with closed ones, which stay closed', async () => {
    const port = await start([VersionedController], {
      prepare: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
    });
    const version = async (value: string) =>
      (await ask(port, '/versioned', { headers: { 'x-version': value } })).status;
    expect([await version('2'), await version('3'), await version('5')]).toEqual([200, 200, 401]);
    const headers = { 'x-version': '5' };
    expect((await sendSigned({ port, method: 'GET', path: '/versioned', headers })).text).toBe('closed');
  });

  it('may read their bodies', async () => {
    @Controller('forms')
    class FormsController {
      @Public() @Post() create(@Body() body: unknown) {
        return body;
      }
    }
    const port = await start([FormsController]);
    const body = Buffer.from('{"a":1}');
    const headers = { 'content-type': 'application/json' };
    expect((await ask(port, '/forms', { method: 'POST', body, headers })).text).toBe('{"a":1}');
  });

  it('stop the start where their route is not one path, and say which and what to do', async () => {
    const wildcard = platform === 'Express' ? '*rest' : '*';
    @Public()
    @Controller('files')
    class FilesController {
      @Get('list') list() {}
      @Get(':id') show() {}
      @RequiresMAuth() @Get('closed/:id') closed() {}
    }
    @Controller('many')
    class ManyController {
      @OptionalMAuth() @Post(['plain', `some/${wildcard}`]) wild() {}
      @Public() @Get('a b') spaced() {}
      @Public() @Get('gr\u00fc\u00df') greeting() {}
      @Public() @Get('a/../b') dotted() {}
    }
    const starting = start([FilesController, ManyController]);
    await expect(starting).rejects.toThrow(MAuthConfigurationError);
    const message = await starting.catch((error: Error) => error.message);
    for (const named of [
      'FilesController.show (GET /files/:id is not one path)',
      `ManyController.wild (POST /many/some/${wildcard} is not one path)`,
      'ManyController.spaced (GET /many/a b is not one path)',
      'ManyController.greeting (GET /many/gr\u00fc\u00df is not one path)',
      'ManyController.dotted (GET /many/a/../b is not one path)',
    ]) {
      expect(message).toContain(named);
    }
    expect(message).toMatch(/a route without parameters.*take the decorator away.*`protect: 'routes'`/);
    expect(message).not.toMatch(/FilesController\.(list|closed)|\/many\/plain/);
  });

  it('stop the start where a prefix has parameters', async () => {
    const prepare: Prepare = (app) => app.setGlobalPrefix('tenants/:tenant');
    await expect(start([RootController], { prepare })).rejects.toThrow(
      /RootController\.root.*\/tenants\/:tenant/,
    );
  });

  it('stop the start where no route of theirs was seen', async () => {
    @Controller('bound')
    class BoundController {
      constructor() {
        this.get = this.get.bind(this);
      }
      @Public() @Get() get() {
        return 'get';
      }
    }
    await expect(start([BoundController])).rejects.toThrow(
      /BoundController\.get \(Nest registered no route for this method itself\)/,
    );
  });

  it('stop the start where controllers inherit one method, and it cannot be told whose a route is', async () => {
    @Controller('')
    class EverywhereController extends Inherited {}
    await expect(start([OpenController, EverywhereController])).rejects.toThrow(
      /OpenController\.inherited \(GET \/open\/inherited may be the route of EverywhereController as well\)\. .*a method of its own/,
    );
  });
});

describe.each(PLATFORMS)('Exempt paths on %s', (_platform, createAdapter) => {
  const exempt = [
    '/app_status',
    '/api/exempt',
    '/api/closed',
    '/api/by-hand',
    '/api/pages/front',
    '/api/Both',
  ];

  @Controller('app_status')
  class StatusController {
    @Get() get() {
      return 'handled';
    }
    @Post() post() {
      return 'handled';
    }
  }

  @Controller()
  class ExemptController {
    @Get(['exempt', 'elsewhere', 'Both']) exempt() {
      return 'handled';
    }
    @RequiresMAuth() @Get('closed') closed() {
      return 'handled';
    }
    @UseGuards(MAuthGuard) @Get('by-hand') byHand() {
      return 'handled';
    }
    @Get('pages/:page') page() {
      return 'handled';
    }
  }

  let running: RunningApp;
  beforeAll(async () => {
    running = await startApp(
      createAdapter,
      { imports: [mauth(exempt)], controllers: [ExemptController, StatusController] },
      undefined,
      (app) => app.setGlobalPrefix('api', { exclude: ['app_status'] }),
    );
  });
  afterAll(() => running.close());

  const statusOf = async (path: string, method = 'GET') => {
    const port = Number(new URL(running.url).port);
    return (await sendBytes({ port, method, path })).status;
  };

  it('reach the handler whose own route they are, with any method that it has', async () => {
    expect(await statusOf('/app_status')).toBe(200);
    expect(await statusOf('/app_status?deep=1')).toBe(200);
    expect(await statusOf('/app_status', 'HEAD')).toBe(200);
    expect(await statusOf('/app_status', 'POST')).toBe(201);
    expect(await statusOf('/api/exempt')).toBe(200);
    expect(await statusOf('/api/Both')).toBe(200);
  });

  it.each([
    ['/api/elsewhere', 'another route of such a handler'],
    ['/api/closed', 'a handler with @RequiresMAuth()'],
    ['/api/by-hand', 'a handler with the guard placed by hand'],
    ['/api/pages/front', 'a handler whose route has parameters'],
    ['/api/both', 'another spelling'],
    ['/api/exempt/', 'a trailing slash'],
  ])('do not open %s: %s', async (path) => {
    expect(await statusOf(path)).toBe(401);
    const port = Number(new URL(running.url).port);
    const signed = await sendSigned({ port, method: 'GET', path });
    expect([200, 404]).toContain(signed.status);
  });
});

/** A router that reads paths in another way than by default. */
function otherRouter(platform: string): AbstractHttpAdapter {
  if (platform === 'Express') return new ExpressAdapter();
  return new FastifyAdapter({
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false },
  });
}

function otherSettings(app: INestApplication): void {
  if (app.getHttpAdapter().getType() === 'express') {
    (app as NestExpressApplication).set('case sensitive routing', true).set('strict routing', true);
  }
}
