import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Body, Controller, Get, Post, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  AppUuid,
  MAuthModule,
  MAuthSigner,
  Public,
  RequiresMAuth,
  type MAuthModuleOptions,
} from '../../lib/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { Caller, send, type Answered } from '../support/caller.js';
import { rowsOf, sectionOf } from '../support/page-code.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { literalsOf } from '../support/source-code.js';
import { createTestApp } from '../support/test-app.js';

const PAGE = 'troubleshooting.md';
const LIB = join(__dirname, '../../lib');

/** The whole text of lib/. */
function source(): string {
  const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return files.map((file) => readFileSync(join(LIB, file), 'utf8')).join('\n');
}

/** The codes that errors of a class are made with, where they are written down. */
function codesThrown(errorClass: string): string[] {
  return [...source().matchAll(new RegExp(`new ${errorClass}\\(\\s*'([a-z_]+)'`, 'g'))].map(
    ([, code]) => code,
  );
}

describe('The codes on the page about troubleshooting', () => {
  const codesBelow = (heading: string) => rowsOf(sectionOf(PAGE, heading)).map(([code]) => code);

  it.each([
    // The last two are log lines about handlers, and no results.
    [
      'Requests that are refused with 401',
      () => [
        ...literalsOf('authentication/result.ts', 'MAuthInauthenticCode'),
        'not_authenticated',
        'unsupported_context',
      ],
    ],
    ['Requests that are refused with 403', () => ['app_not_allowed']],
    [
      'Requests that could not be decided: 503',
      () => literalsOf('authentication/result.ts', 'MAuthUndecidedCode'),
    ],
    ['Bodies that did not come', () => literalsOf('http/refusals.ts', 'MAuthBodyFailureCode')],
    ['Responses that go out unsigned', () => literalsOf('http/response-body-tap.ts', 'UnsignedReason')],
    [
      'Requests that this application sends',
      () => [
        ...literalsOf('protocol/string-to-sign.ts', 'MalformedMessageCode'),
        ...codesThrown('MAuthUnableToSignError'),
        'unexpected_app',
      ],
    ],
    ['The application does not start', () => ['configuration']],
  ])('are those of the code: %s', (heading, codes) => {
    expect(codesBelow(heading).sort()).toEqual([...new Set(codes())].sort());
  });

  it('that stand in no type are in the code', () => {
    const text = source();
    for (const code of [
      '(not_authenticated)',
      ': unsupported_context.',
      "'app_not_allowed'",
      "'unexpected_app'",
    ])
      expect(text).toContain(code);
    const ofTypes = literalsOf('authentication/result.ts', 'MAuthFailureCode');
    const notOfResults = codesThrown('MAuthInauthenticError').filter((code) => !ofTypes.includes(code));
    expect(notOfResults).toEqual(['unexpected_app']);
  });
});

const self = createTestApp();
const rave = createTestApp();

@Controller('studies')
class StudiesController {
  @Get()
  list(): string {
    return 'all';
  }

  @Post()
  add(@Body() study: unknown): unknown {
    return study;
  }

  @RequiresMAuth({ apps: [self.appUuid] })
  @Get('ours')
  ours(): void {}

  @Public()
  @Get('mine')
  mine(@AppUuid() caller: string): string {
    return caller;
  }
}

interface Running {
  readonly app: INestApplication;
  readonly url: string;
  /** Signs as rave. */
  readonly caller: Caller;
}

/** How what the page describes comes about. */
interface Scenario {
  readonly options?: Partial<MAuthModuleOptions>;
  readonly before?: (service: FakeMAuthService) => unknown;
  readonly run: (running: Running) => Promise<Pick<Answered, 'status'>>;
  /** What is seen: the status, and the code at the end of the log line. */
  readonly seen: readonly [status: number, code: string];
}

/** A server in front that reads the body, and then hands the request over. */
async function behindReader(
  app: INestApplication,
  ask: (url: string) => Promise<Answered>,
): Promise<Answered> {
  const inner = app.getHttpServer() as Server;
  const front = createServer((request, response) => {
    request.resume().once('end', () => inner.emit('request', request, response));
  });
  await once(front.listen(0, '127.0.0.1'), 'listening');
  const answer = await ask(`http://127.0.0.1:${(front.address() as AddressInfo).port}`);
  front.close();
  return answer;
}

const signV2 = new MAuthSigner({
  appUuid: rave.appUuid,
  privateKey: rave.privateKey,
  signVersions: 'v2',
});
const json = { 'content-type': 'application/json' };

const SCENARIOS: Record<string, Scenario> = {
  'Every request gets 503': {
    before: (service) => service.revoke(self.appUuid),
    run: ({ caller, url }) => caller.signed(`${url}/studies`),
    seen: [503, 'own_app_refused'],
  },
  'Some callers get 503, others are served': {
    before: (service) => service.fail(503),
    run: ({ caller, url }) => caller.signed(`${url}/studies`),
    seen: [503, 'service_unavailable'],
  },
  'Requests with a body get 503, others are served': {
    options: { protect: 'everything' },
    run: async ({ app, caller, url }) => {
      const post = { method: 'POST', body: '{}', headers: json };
      expect((await caller.signed(`${url}/studies`, post)).status).toBe(201);
      return behindReader(app, async (front) => {
        expect((await caller.signed(`${front}/studies`)).status).toBe(200);
        return caller.signed(`${front}/studies`, post);
      });
    },
    seen: [503, 'body_unavailable'],
  },
  '401 behind a proxy, and 200 without it': {
    run: async ({ url }) => {
      const headers = await signV2.signRequest({ method: 'GET', url: '/gateway/studies' });
      return send(`${url}/studies`, { headers });
    },
    seen: [401, 'signature_mismatch'],
  },
  '401 on one machine only, or after a while': {
    options: { now: () => Date.now() + 301_000 },
    run: ({ caller, url }) => caller.signed(`${url}/studies`),
    seen: [401, 'time_out_of_range'],
  },
  'A signed curl line works once': {
    options: { v2OnlyAuthenticate: true, replayProtection: true },
    run: async ({ url }) => {
      const headers = {
        ...json,
        ...(await signV2.signRequest({ method: 'POST', url: '/studies', body: '{}' })),
      };
      const copy = () => send(`${url}/studies`, { method: 'POST', body: '{}', headers });
      expect((await copy()).status).toBe(201);
      return copy();
    },
    seen: [401, 'replayed'],
  },
  'It works with curl and not in the browser': {
    run: ({ url }) => send(`${url}/studies`, { headers: { origin: 'https://app.example.com' } }),
    seen: [401, 'missing_headers'],
  },
  'Callers that sign V1 get 401, others are served': {
    options: { v2OnlyAuthenticate: true },
    run: async ({ caller, url }) => {
      expect((await caller.signed(`${url}/studies`)).status).toBe(200);
      const answer = await new Caller(rave, 'v1').signed(`${url}/studies`);
      expect(JSON.parse(answer.text)).toHaveProperty('title', expect.stringContaining('v2'));
      return answer;
    },
    seen: [401, 'missing_v2'],
  },
  'GET is served, POST gets 401': {
    run: async ({ url }) => {
      const headers = await signV2.signRequest({ method: 'POST', url: '/studies', body: '{"a": 1}' });
      return send(`${url}/studies`, { method: 'POST', body: '{"a":1}', headers: { ...json, ...headers } });
    },
    seen: [401, 'signature_mismatch'],
  },
  'A new app gets 401': {
    before: (service) => service.revoke(rave.appUuid),
    run: ({ caller, url }) => caller.signed(`${url}/studies`),
    seen: [401, 'unknown_app'],
  },
  '401 for a signed request at a handler with `@AppUuid()`': {
    run: ({ caller, url }) => caller.signed(`${url}/studies/mine`),
    seen: [401, 'not_authenticated'],
  },
  '403': {
    run: ({ caller, url }) => caller.signed(`${url}/studies/ours`),
    seen: [403, 'app_not_allowed'],
  },
  '413 for large uploads': {
    options: { protect: 'everything', body: { maxHeldBytes: 100 } },
    run: ({ caller, url }) =>
      caller.signed(`${url}/studies`, {
        method: 'POST',
        body: JSON.stringify({ name: 'a'.repeat(100) }),
        headers: json,
      }),
    seen: [413, 'body_too_large'],
  },
  'Fastify: `inject` in tests gets 401': {
    run: async ({ app, url }) => {
      const adapter = app.getHttpAdapter();
      if (!(adapter instanceof FastifyAdapter)) return send(`${url}/studies`);
      const { statusCode } = await adapter.inject({ method: 'GET', url: '/studies' });
      return { status: statusCode };
    },
    seen: [401, 'missing_headers'],
  },
  '401 for odd paths and queries': {
    run: async ({ url }) => {
      const target = '/studies?share=5%%20of';
      return send(`${url}${target}`, { headers: await signV2.signRequest({ method: 'GET', url: target }) });
    },
    seen: [401, 'ambiguous_path'],
  },
};

describe('The symptoms on the page about troubleshooting', () => {
  const headings = [...sectionOf(PAGE, 'By symptom').matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);

  it('are all tried', () => {
    expect([...headings].sort()).toEqual(Object.keys(SCENARIOS).sort());
  });

  describe.each(PLATFORMS)('on %s', (_name, createAdapter) => {
    it.each(headings)('come about as it says: %s', async (heading) => {
      const { options, before, run, seen } = SCENARIOS[heading];
      const service = await FakeMAuthService.start();
      for (const app of [self, rave]) service.register(app.appUuid, app.publicKeyPem);
      before?.(service);
      const logger = new RecordingLogger();
      const { appUuid, privateKey } = self;
      const given = { appUuid, privateKey, mauthUrl: service.url, logger, protect: 'routes' } as const;
      const running = await startApp(createAdapter, {
        imports: [MAuthModule.forRoot({ ...given, ...options })],
        controllers: [StudiesController],
      });
      const { status } = await run({ ...running, caller: new Caller(rave) });
      await running.close();
      await service.stop();
      const [expected, code] = seen;
      const coded = logger.lines.filter(
        ({ level, message }) => level === 'warn' && /\((\w+)/.exec(message)?.[1] === code,
      );
      expect({ status, lines: coded.length > 0, log: logger.lines }).toMatchObject({
        status: expected,
        lines: true,
      });
      expect(sectionOf(PAGE, heading)).toContain(`\`${code}\``);
    });
  });
});
