import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Body, Controller, Get, Post, type ExecutionContext, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import {
  AppUuid,
  MAuthAuthenticator,
  MAuthGuard,
  MAuthModule,
  OptionalMAuth,
  RequiresMAuth,
  type MAuthProtection,
} from '../../lib/index.js';
import { MAuthTestingModule, setMAuthIdentity, withIdentity } from '../../lib/testing/index.js';

const RAVE = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const OTHER = '2a6790ab-f6c6-45be-86fc-9e9be76ec12a';
const IDENTITY = { appUuid: RAVE, protocolVersion: 2 } as const;

@Controller()
class StudiesController {
  @Post('plain')
  plain(@Body() body: unknown) {
    return { body };
  }

  @RequiresMAuth()
  @Post('required')
  required(@Body() body: unknown) {
    return { body };
  }

  @RequiresMAuth()
  @Post('caller')
  caller(@AppUuid() appUuid: string, @Body() body: unknown) {
    return { appUuid, body };
  }

  @RequiresMAuth({ apps: [OTHER] })
  @Get('restricted')
  restricted() {
    return 'restricted';
  }

  @OptionalMAuth()
  @Get('optional')
  optional(@AppUuid({ optional: true }) appUuid?: string) {
    return { appUuid };
  }
}

const open = { canActivate: () => true };
const closed = { canActivate: () => false };
const named = {
  canActivate: (context: ExecutionContext) => {
    setMAuthIdentity(context.switchToHttp().getRequest<unknown>(), IDENTITY);
    return true;
  },
};

const PROTECTS: readonly MAuthProtection[] = ['decorated', 'routes', 'everything'];
const HANDLERS = ['plain', 'required', 'caller'] as const;
const ADAPTERS = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() };

/** The rows of the table in docs/testing.md, with what an unsigned POST with a body gets at each handler. */
const OVERRIDES: Record<string, { apply: (builder: TestingModuleBuilder) => unknown; statuses: number[] }> = {
  '`overrideGuard(MAuthGuard)`, open': {
    apply: (builder) => builder.overrideGuard(MAuthGuard).useValue(open),
    statuses: [201, 201, 401],
  },
  '`overrideGuard(MAuthGuard)`, with `setMAuthIdentity`': {
    apply: (builder) => builder.overrideGuard(MAuthGuard).useValue(named),
    statuses: [201, 201, 201],
  },
  '`overrideProvider(MAuthGuard)`, open': {
    apply: (builder) => builder.overrideProvider(MAuthGuard).useValue(open),
    statuses: [201, 201, 401],
  },
  '`overrideProvider(MAuthGuard)`, with `setMAuthIdentity`': {
    apply: (builder) => builder.overrideProvider(MAuthGuard).useValue(named),
    statuses: [201, 201, 201],
  },
  '`overrideProvider(MAuthAuthenticator)`, `withIdentity`': {
    apply: (builder) => builder.overrideProvider(MAuthAuthenticator).useValue(withIdentity(IDENTITY)),
    statuses: [201, 201, 201],
  },
};

let app: INestApplication | undefined;
afterEach(() => app?.close());

async function start(
  adapter: keyof typeof ADAPTERS,
  protect: MAuthProtection,
  apply: (builder: TestingModuleBuilder) => unknown,
): Promise<string> {
  const imports = [MAuthTestingModule.forRoot({ protect, logger: { log() {}, warn() {}, error() {} } })];
  const builder = Test.createTestingModule({ imports, controllers: [StudiesController] });
  apply(builder);
  app = (await builder.compile()).createNestApplication(ADAPTERS[adapter](), { logger: false });
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

async function post(url: string) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: '{"name":"Mediflex"}' });
  return { status: response.status, answer: (await response.json()) as { appUuid?: string; body?: unknown } };
}

describe.each(Object.keys(ADAPTERS) as (keyof typeof ADAPTERS)[])('On %s', (adapter) => {
  describe.each(PROTECTS)('with protection of %s', (protect) => {
    it.each(Object.entries(OVERRIDES))('%s: as the docs say', async (_, { apply, statuses }) => {
      const url = await start(adapter, protect, apply);
      for (const [index, handler] of HANDLERS.entries()) {
        const { status, answer } = await post(`${url}/${handler}`);
        expect([handler, status]).toEqual([handler, statuses[index]]);
        if (status === 201) expect(answer.body).toEqual({ name: 'Mediflex' });
        if (status === 201 && handler === 'caller') expect(answer.appUuid).toBe(RAVE);
      }
    });

    it('a guard that refuses is asked as well', async () => {
      const url = await start(adapter, protect, (builder) =>
        builder.overrideGuard(MAuthGuard).useValue(closed),
      );
      expect((await post(`${url}/required`)).status).toBe(403);
      expect((await post(`${url}/plain`)).status).toBe(protect === 'decorated' ? 201 : 403);
    });

    it('the guard in its place may be a class', async () => {
      class OpenGuard {
        canActivate() {
          return true;
        }
      }
      const url = await start(adapter, protect, (builder) =>
        builder.overrideGuard(MAuthGuard).useClass(OpenGuard),
      );
      for (const handler of ['plain', 'required']) expect((await post(`${url}/${handler}`)).status).toBe(201);
    });

    it('withIdentity leaves the decorators as they are', async () => {
      const url = await start(adapter, protect, (builder) =>
        builder.overrideProvider(MAuthAuthenticator).useValue(withIdentity(IDENTITY)),
      );
      expect((await fetch(`${url}/restricted`)).status).toBe(403);
      expect(await (await fetch(`${url}/optional`)).json()).toEqual({ appUuid: RAVE });
    });

    it('without an override nothing is open', async () => {
      const url = await start(adapter, protect, () => undefined);
      expect(app?.get(MAuthGuard, { strict: false })).toBeInstanceOf(MAuthGuard);
      expect((await post(`${url}/required`)).status).toBe(401);
      expect((await post(`${url}/plain`)).status).toBe(protect === 'decorated' ? 201 : 401);
    });
  });
});

it('the table in the docs is this one', () => {
  const docs = readFileSync(join(__dirname, '../../docs/testing.md'), 'utf8');
  const tableRow = (name: string, cells: readonly (string | number)[]) => [name, ...cells].join(' | ');
  const rows = docs
    .split('\n')
    .filter((line) => line.startsWith('| `override'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.filter(Boolean).join(' | '));
  const expected = Object.entries(OVERRIDES).map(([name, { statuses }]) =>
    tableRow(
      name,
      statuses.map((status) => (status === 201 ? 'open' : String(status))),
    ),
  );
  expect(rows).toEqual(expected);
});

it('an identity has to be one', () => {
  expect(() => withIdentity({ appUuid: 'rave', protocolVersion: 2 })).toThrow('`appUuid` of an identity');
  expect(() => setMAuthIdentity({}, { appUuid: 'rave', protocolVersion: 2 })).toThrow(
    '`appUuid` of an identity',
  );
});

it('an application of its own is open by the same overrides', async () => {
  const imports = [
    MAuthModule.forRoot({ appUuid: OTHER, findPublicKey: () => undefined, protect: 'everything' }),
  ];
  const builder = Test.createTestingModule({ imports, controllers: [StudiesController] });
  builder.overrideProvider(MAuthAuthenticator).useValue(withIdentity(IDENTITY));
  app = (await builder.compile()).createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  expect((await post(`${await app.getUrl()}/caller`)).answer.appUuid).toBe(RAVE);
});
