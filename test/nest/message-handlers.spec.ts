import { type EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import { Controller, Get, Module, Scope, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventPattern,
  GrpcMethod,
  GrpcStreamCall,
  GrpcStreamMethod,
  MessagePattern,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { from, map, type Observable } from 'rxjs';
import {
  MAuthGuard,
  MAuthModule,
  Public,
  RequiresMAuth,
  type MAuthModuleExtras,
  type MAuthProtection,
} from '../../lib/index.js';
import { optionsFor, Witness } from '../support/inbound-app.js';
import { hasRedisServer } from '../support/redis-server.js';
import { PLATFORMS, startApp } from '../support/running-app.js';
import { sendBytes, sendSigned } from '../support/signed-http.js';
import { GrpcService, TRANSPORTS, type MessageTransport, type Reply } from '../support/transports.js';

const ran: string[] = [];
const run = (name: string) => {
  ran.push(name);
  return { text: name };
};

@Controller()
class UndecoratedController {
  @MessagePattern('ask')
  ask() {
    return run('ask');
  }

  @GrpcMethod('Studies', 'Ask')
  askOverGrpc() {
    return run('ask');
  }

  @EventPattern('tell')
  tell(_data: unknown) {
    run('tell');
  }
}

@Public()
@Controller()
class PublicController {
  @MessagePattern('ask')
  ask() {
    return run('ask');
  }

  @GrpcMethod('Studies', 'Ask')
  askOverGrpc() {
    return run('ask');
  }

  @EventPattern('tell')
  tell(_data: unknown) {
    run('tell');
  }
}

/** Nest makes an instance for each message. */
@Controller({ scope: Scope.REQUEST })
class RequestScopedController extends UndecoratedController {}

class Parent {
  @RequiresMAuth()
  ask() {
    return run('ask');
  }
}

/** Nest keeps guards on functions, and this is another one than its parent's. */
@Controller()
class OverridingController extends Parent {
  @MessagePattern('ask')
  override ask() {
    return run('ask');
  }
}

@RequiresMAuth()
@Controller()
class RestrictedController {
  @MessagePattern('ask')
  ask() {
    return run('ask');
  }
}

@Controller()
class HalfOpenController {
  @MessagePattern('ask')
  ask() {
    return run('ask');
  }

  @Public()
  @EventPattern('tell')
  tell(_data: unknown) {
    run('tell');
  }
}

/** A function of the instance, which carries nothing of what was written on the method. */
@Controller()
class BindingController extends UndecoratedController {
  constructor() {
    super();
    this.ask = this.ask.bind(this);
  }
}

/** One function is a route and a message handler. */
@Controller()
class TwofoldController {
  @Get('studies')
  @MessagePattern('ask')
  ask() {
    return run('ask');
  }
}

/** As nothing but a refusal says it. */
const REFUSAL = /authenticates HTTP requests only.*@Public\(\).*inheritAppConfig/;
const HYBRID = [undefined, {}, { inheritAppConfig: true }, { deferInitialization: true }] as const;

let app: INestApplication | undefined;
let transport: MessageTransport | undefined;
let witness: Witness;
beforeEach(() => {
  ran.length = 0;
  witness = new Witness();
});
afterEach(async () => {
  await app?.close();
  await transport?.close();
  app = transport = undefined;
});

const mauth = (extras: MAuthModuleExtras) => MAuthModule.forRoot({ ...optionsFor(witness), ...extras });

/** An application that serves HTTP as well as messages. */
async function startHybrid(
  metadata: Parameters<typeof startApp>[1],
  hybrid: (typeof HYBRID)[number],
  options: MicroserviceOptions = transport!.options,
  [, createAdapter] = PLATFORMS[0],
): Promise<string> {
  const running = await startApp(createAdapter, metadata, undefined, async (nest) => {
    app = nest;
    nest.connectMicroservice(options, hybrid);
    await nest.startAllMicroservices();
  });
  return running.url;
}

const start = (
  protect: MAuthProtection,
  controller: Type<unknown>,
  hybrid: (typeof HYBRID)[number] = undefined,
) => startHybrid({ imports: [mauth({ protect })], controllers: [controller] }, hybrid);

/** Resolves when the next line of this level is written. */
const nextLine = (level: 'warn') =>
  new Promise<string>((resolve) => {
    witness.logger[level] = resolve;
  });

function expectRefusal(reply: Reply): void {
  expect(reply).toEqual({ error: expect.objectContaining({ message: expect.stringMatching(REFUSAL) }) });
  expect(JSON.stringify(reply)).not.toMatch(/internal server error/i);
  expect(ran).toEqual([]);
}

if (!hasRedisServer) console.warn('SKIPPED: no redis-server found, so messages over Redis were not tested.');
const names = (['TCP', 'Redis', 'gRPC'] as const).filter((name) => name !== 'Redis' || hasRedisServer);

describe.each(names)('Message handlers of a hybrid application over %s', (name) => {
  beforeEach(async () => (transport = await TRANSPORTS[name]()));

  describe.each(['routes', 'everything'] as const)('with protect: %p', (protect) => {
    it.each(HYBRID)('are refused where nothing opens them, connected with %j', async (hybrid) => {
      await start(protect, UndecoratedController, hybrid);
      const line = nextLine('warn');
      expectRefusal(await transport!.ask());
      expect(await line).toMatch(/^MAuth refused a call of type rpc at UndecoratedController\.ask/);
      expect(await line).toMatch(REFUSAL);
    });

    it.each(HYBRID)('run where they are public, connected with %j', async (hybrid) => {
      await start(protect, PublicController, hybrid);
      expect(await transport!.ask()).toEqual({ answer: { text: 'ask' } });
    });

    it.each(HYBRID)('are refused at a request-scoped controller, connected with %j', async (hybrid) => {
      await start(protect, RequestScopedController, hybrid);
      expectRefusal(await transport!.ask());
    });
  });

  it('run where decorators decide and there are none', async () => {
    await start('decorated', UndecoratedController);
    expect(await transport!.ask()).toEqual({ answer: { text: 'ask' } });
  });
});

describe.each(names.filter((name) => name !== 'gRPC'))('Event handlers over %s', (name) => {
  beforeEach(async () => (transport = await TRANSPORTS[name]()));

  it.each(HYBRID)('are refused where nothing opens them, connected with %j', async (hybrid) => {
    await start('routes', UndecoratedController, hybrid);
    const line = nextLine('warn');
    await transport!.tell!();
    expect(await line).toMatch(/^MAuth refused a call of type rpc at UndecoratedController\.tell/);
    expect(ran).toEqual([]);
  });

  it('run where their own decorator opens them, and open nothing beside them', async () => {
    await start('routes', HalfOpenController);
    expectRefusal(await transport!.ask());
    await transport!.tell!();
    expectRefusedOnce(await transport!.ask());
    expect(ran).toEqual(['tell']);
  });

  const expectRefusedOnce = (reply: Reply) =>
    expect(reply).toEqual({ error: expect.objectContaining({ message: expect.stringMatching(REFUSAL) }) });
});

describe.each(PLATFORMS)('Message handlers beside routes on %s', (...platform) => {
  beforeEach(async () => (transport = await TRANSPORTS.TCP()));

  it('are refused, while their function serves signed requests', async () => {
    const imports = [mauth({ protect: 'routes' })];
    const url = await startHybrid({ imports, controllers: [TwofoldController] }, {}, undefined, platform);
    const port = Number(new URL(url).port);
    expectRefusal(await transport!.ask());
    const unsigned = await sendBytes({ port, method: 'GET', path: '/studies' });
    expect([unsigned.status, unsigned.text]).toEqual([401, '{"errors":{"mauth":["Unauthorized"]}}']);
    expect((await sendSigned({ port, method: 'GET', path: '/studies' })).text).toBe('{"text":"ask"}');
  });
});

describe('Message handlers over TCP', () => {
  beforeEach(async () => (transport = await TRANSPORTS.TCP()));

  it.each(['decorated', 'routes', 'everything'] as const)(
    'are refused where they override a restricted one (%s)',
    async (protect) => {
      await start(protect, OverridingController);
      expectRefusal(await transport!.ask());
    },
  );

  it.each(['decorated', 'routes', 'everything'] as const)(
    'are refused with the remedy where a decorator brings the guard (%s)',
    async (protect) => {
      await start(protect, RestrictedController);
      expectRefusal(await transport!.ask());
    },
  );

  it.each(HYBRID)('are refused where a constructor binds them, connected with %j', async (hybrid) => {
    await start('routes', BindingController, hybrid);
    expectRefusal(await transport!.ask());
  });

  it('are refused in modules that do not see the module of MAuth', async () => {
    @Module({ controllers: [UndecoratedController] })
    class StudiesModule {}
    await startHybrid({ imports: [mauth({ protect: 'routes', isGlobal: false }), StudiesModule] }, {});
    expectRefusal(await transport!.ask());
  });

  it('are protected by what a test puts in place of the guard', async () => {
    const metadata = { imports: [mauth({ protect: 'routes' })], controllers: [UndecoratedController] };
    const testing = await Test.createTestingModule(metadata)
      .overrideProvider(MAuthGuard)
      .useValue({ canActivate: () => true })
      .compile();
    app = testing.createNestApplication(PLATFORMS[0][1](), { logger: false });
    app.connectMicroservice(transport!.options);
    await app.startAllMicroservices();
    expect(await transport!.ask()).toEqual({ answer: { text: 'ask' } });
  });

  it('are protected by the guard of their own compilation of a testing builder', async () => {
    const extras = { protect: 'routes' as const, useFactory: () => optionsFor(witness) };
    const builder = Test.createTestingModule({
      imports: [MAuthModule.forRootAsync(extras)],
      controllers: [UndecoratedController],
    });
    for (let compilation = 0; compilation < 2; compilation++) {
      witness = new Witness();
      const testing = await builder.compile();
      app = testing.createNestApplication(PLATFORMS[0][1](), { logger: false });
      app.connectMicroservice(transport!.options);
      await app.startAllMicroservices();
      expectRefusal(await transport!.ask());
      expect(witness.logger.lines).toEqual([{ level: 'warn', message: expect.stringMatching(REFUSAL) }]);
      await app.close();
      await transport!.close();
      transport = await TRANSPORTS.TCP();
    }
  });

  it('are nothing that an application without MAuth would notice, before or after one with it', async () => {
    const withMAuth = { imports: [mauth({ protect: 'routes' })], controllers: [UndecoratedController] };
    const without = { controllers: [UndecoratedController] };
    for (const metadata of [withMAuth, without, withMAuth, without]) {
      await startHybrid(metadata, {});
      if (metadata === without) expect(await transport!.ask()).toEqual({ answer: { text: 'ask' } });
      else expectRefusal(await transport!.ask());
      ran.length = 0;
      await app!.close();
      await transport!.close();
      transport = await TRANSPORTS.TCP();
    }
  });

  it.each([
    ['routes', UndecoratedController],
    ['decorated', OverridingController],
  ] as const)('are refused where messages are all that is served (%s)', async (protect, controller) => {
    @Module({ imports: [mauth({ protect })], controllers: [controller] })
    class MessagesModule {}
    const service = await NestFactory.createMicroservice<MicroserviceOptions>(MessagesModule, {
      ...transport!.options,
      logger: false,
    });
    await service.listen();
    expectRefusal(await transport!.ask());
    await service.close();
  });
});

/** Each kind of method that gRPC has, and both that Nest has for streams. */
class StudiesService {
  @GrpcMethod('Studies', 'Ask')
  ask() {
    return run('Ask');
  }

  @GrpcMethod('Studies', 'List')
  list() {
    return from([run('List')]);
  }

  @GrpcStreamMethod('Studies', 'Upload')
  upload(messages: Observable<unknown>) {
    return messages.pipe(map(() => run('Upload')));
  }

  @GrpcStreamMethod('Studies', 'Chat')
  chat(messages: Observable<unknown>) {
    return messages.pipe(map(() => run('Chat')));
  }

  @GrpcStreamCall('Studies', 'RawUpload')
  rawUpload(call: EventEmitter, answer: (error: null, message: unknown) => void) {
    call.on('data', () => undefined).on('end', () => answer(null, run('RawUpload')));
  }

  @GrpcStreamCall('Studies', 'RawChat')
  rawChat(call: EventEmitter & { write(message: unknown): void; end(): void }) {
    call.on('data', () => call.write(run('RawChat'))).on('end', () => call.end());
  }
}

@Controller()
class ClosedStudiesController extends StudiesService {}

@Public()
@Controller()
class OpenStudiesController {}
for (const key of Object.getOwnPropertyNames(StudiesService.prototype)) {
  if (key === 'constructor') continue;
  const descriptor = Object.getOwnPropertyDescriptor(StudiesService.prototype, key)!;
  Object.defineProperty(OpenStudiesController.prototype, key, descriptor);
}

describe('Methods of a gRPC service', () => {
  const METHODS = {
    Ask: 'unary',
    List: 'serverStream',
    Upload: 'clientStream',
    Chat: 'bothStream',
    RawUpload: 'clientStream',
    RawChat: 'bothStream',
  } as const;
  let service: GrpcService;

  beforeEach(async () => (service = await GrpcService.start()));
  afterEach(() => service.close());
  const serve = (controller: Type<unknown>, hybrid: (typeof HYBRID)[number]) =>
    startHybrid(
      { imports: [mauth({ protect: 'routes' })], controllers: [controller] },
      hybrid,
      service.options,
    );

  it.each(HYBRID)('are refused as unauthenticated, connected with %j', async (hybrid) => {
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on('unhandledRejection', note);
    await serve(ClosedStudiesController, hybrid);
    for (const [method, kind] of Object.entries(METHODS)) {
      const reply = await service[kind](method);
      expectRefusal(reply);
      expect(reply).toEqual({ error: expect.objectContaining({ code: status.UNAUTHENTICATED }) });
    }
    process.off('unhandledRejection', note);
    expect(failures).toEqual([]);
  });

  it.each(HYBRID)('run where they are public, connected with %j', async (hybrid) => {
    await serve(OpenStudiesController, hybrid);
    for (const [method, kind] of Object.entries(METHODS)) {
      const reply = await service[kind](method);
      expect(JSON.stringify(reply)).toContain(`"text":"${method}"`);
    }
    expect(new Set(ran)).toEqual(new Set(Object.keys(METHODS)));
  });
});
