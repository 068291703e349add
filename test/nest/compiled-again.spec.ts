import { Controller, Get, Post, Req, type INestApplication, type Type } from '@nestjs/common';
import { type AbstractHttpAdapter } from '@nestjs/core';
import { type FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import {
  MAuthModule,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  SignResponse,
  type MAuthModuleExtras,
  type MAuthProtection,
} from '../../lib/index.js';
import { MAuthStartUpCheck } from '../../lib/nest/start-up-check.js';
import { Caller, send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const rave = createTestApp();
const [, createExpress] = PLATFORMS[0];
const [, createFastify] = PLATFORMS[1];

@RequiresMAuth()
@Controller('closed')
class ClosedController {
  @Get() get() {
    return 'handled';
  }
  @Post() post(@Req() { body }: { body: unknown }) {
    return body;
  }
  @OptionalMAuth() @Get('optional') optional() {
    return 'handled';
  }
}

@Controller()
class OpenController {
  @Public() @Get('open') open() {
    return 'handled';
  }
  @Get('app_status') status() {
    return 'handled';
  }
}

@Controller('undecorated')
class UndecoratedController {
  @Get() get() {
    return 'handled';
  }
}

function builderOf(
  extras: MAuthModuleExtras = {},
  controllers = [ClosedController, OpenController, UndecoratedController] as Type[],
) {
  return Test.createTestingModule({
    imports: [
      MAuthModule.forRoot({
        appUuid: own.appUuid,
        privateKey: own.privateKeyPem,
        signVersions: 'v2',
        findPublicKey: (appUuid) => (appUuid === rave.appUuid ? rave.publicKeyPem : undefined),
        logger: new RecordingLogger(),
        ...extras,
      }),
    ],
    controllers,
  });
}

const OPEN = { closed: 401, 'closed/optional': 200, open: 200 };

/** What is open, without a signature, under each form of `protect`. */
const UNSIGNED: Readonly<Record<MAuthProtection, Readonly<Record<string, number>>>> = {
  decorated: { ...OPEN, app_status: 200, undecorated: 200, 'no/such/page': 404 },
  routes: { ...OPEN, app_status: 401, undecorated: 401, 'no/such/page': 404 },
  everything: { ...OPEN, app_status: 200, undecorated: 401, 'no/such/page': 401 },
};

describe('A testing builder that is compiled again', () => {
  const running: INestApplication[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });

  async function start(builder: TestingModuleBuilder, adapter: AbstractHttpAdapter): Promise<string> {
    const app = (await builder.compile()).createNestApplication(adapter, { logger: false });
    running.push(app);
    await app.listen(0, '127.0.0.1');
    return app.getUrl();
  }

  async function expectProtected(url: string, protect: MAuthProtection) {
    const statuses = Object.entries(UNSIGNED[protect]).map(async ([path]) => {
      return [path, (await send(`${url}/${path}`)).status] as const;
    });
    expect(Object.fromEntries(await Promise.all(statuses))).toEqual(UNSIGNED[protect]);

    const caller = new Caller(rave);
    for (const path of ['closed', 'closed/optional', 'undecorated']) {
      expect(await caller.signed(`${url}/${path}`)).toMatchObject({ status: 200, text: 'handled' });
    }
    expect((await caller.signed(`${url}/no/such/page`)).status).toBe(404);
    expect((await caller.badlySigned(`${url}/closed/optional`)).status).toBe(401);
    const posted = await caller.signed(`${url}/closed`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json' },
    });
    expect(posted).toMatchObject({ status: 201, text: '{"a":1}' });
  }

  describe.each(PLATFORMS)('on %s', (_name, createAdapter) => {
    it.each(['decorated', 'routes', 'everything'] as const)(
      "makes an application for each test, with protect: '%s'",
      async (protect) => {
        const builder = builderOf({ protect });
        for (let test = 0; test < 3; test++) {
          await expectProtected(await start(builder, createAdapter()), protect);
          await running.pop()?.close();
        }
      },
    );

    it('leaves alone an application in which nothing is decorated', async () => {
      const builder = builderOf({}, [UndecoratedController]);
      for (let test = 0; test < 3; test++) {
        const url = await start(builder, createAdapter());
        expect((await send(`${url}/undecorated`)).status).toBe(200);
      }
    });

    it.each(['decorated', 'routes', 'everything'] as const)(
      "makes applications that run side by side, with protect: '%s'",
      async (protect) => {
        const builder = builderOf({ protect });
        const urls = [await start(builder, createAdapter()), await start(builder, createAdapter())];
        for (const url of [...urls, ...urls]) await expectProtected(url, protect);
      },
    );

    it('makes an application although the first module was never one', async () => {
      const builder = builderOf({ protect: 'everything' });
      await builder.compile();
      await expectProtected(await start(builder, createAdapter()), 'everything');
    });
  });

  it.each([
    ['Express, then Fastify', createExpress, createFastify],
    ['Fastify, then Express', createFastify, createExpress],
  ])('makes applications on two platforms: %s', async (_order, first, second) => {
    const builder = builderOf({ protect: 'everything' });
    const urls = [await start(builder, first()), await start(builder, second())];
    for (const url of [...urls, ...urls]) await expectProtected(url, 'everything');
  });

  it.each(PLATFORMS)(
    'signs the responses of marked handlers in each application on %s',
    async (_, create) => {
      @Controller('marked')
      class MarkedController {
        @SignResponse() @Get() get() {
          return 'handled';
        }
      }
      const builder = builderOf({}, [MarkedController]);
      const urls = [await start(builder, create()), await start(builder, create())];
      for (const url of urls) {
        const { headers } = await send(`${url}/marked`);
        expect(headers.get('mcc-authentication')).toMatch(own.appUuid);
      }
    },
  );

  it('says when to come back, on the platform of the application that is asked', async () => {
    const builder = Test.createTestingModule({
      imports: [
        MAuthModule.forRoot({
          appUuid: own.appUuid,
          findPublicKey: () => Promise.reject(new Error('the key store is down')),
          keys: { cooldownSeconds: 9 },
          logger: new RecordingLogger(),
        }),
      ],
      controllers: [ClosedController],
    });
    const urls = [await start(builder, createExpress()), await start(builder, createFastify())];
    for (const url of urls) {
      const { status, headers } = await new Caller(rave).signed(`${url}/closed`);
      expect({ status, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, retryAfter: '9' });
    }
  });

  it('does not start on an adapter that takes no hooks any more, and says so', async () => {
    const adapter = createFastify();
    const module = await builderOf().compile();
    await (adapter as unknown as FastifyAdapter).getInstance().ready();
    const app = module.createNestApplication(adapter, { logger: false, bodyParser: false });
    running.push(app);
    await expect(app.init()).rejects.toThrow(Error);
    expect(() => app.get(MAuthStartUpCheck).onModuleInit()).toThrow(
      /could not be installed on the HTTP adapter .*booted.*not ready or listening/,
    );
  });

  it('may put a second application onto the adapter of the first', async () => {
    const builder = builderOf({ protect: 'everything' });
    const adapter = createExpress();
    await start(builder, adapter);
    await running.pop()?.close();
    await expectProtected(await start(builder, adapter), 'everything');
  });
});
