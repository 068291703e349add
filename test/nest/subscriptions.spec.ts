import { EventEmitter } from 'node:events';
import {
  Injectable,
  Module,
  SetMetadata,
  type INestApplication,
  type OnApplicationBootstrap,
  type Type,
} from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, ExternalContextCreator, MetadataScanner } from '@nestjs/core';
import {
  MAuthModule,
  MAuthUnsupportedContextException,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthProtection,
} from '../../lib/index.js';
import { optionsFor, Witness } from '../support/inbound-app.js';
import { PLATFORMS, startApp } from '../support/running-app.js';

const QUEUE = 'test:queue';
const Subscribe = (queue: string) => SetMetadata(QUEUE, queue);

/** A message as a broker delivers it: whoever can publish chooses all of it. */
type Message = readonly [content: unknown, delivery: object];

/** Hands a message to the handler of its queue, and tells what became of it. */
class Broker extends EventEmitter {
  deliver(queue: string, ...message: Message): Promise<unknown> {
    return new Promise((resolve, reject) => this.emit(queue, message, resolve, reject));
  }
}

/**
 * What Nest modules for message brokers do, `@RabbitSubscribe()` among them: they look for their decorator at all
 * providers, and call the methods through Nest, so that guards run.
 *
 * @param contextType of the calls; a module that names none is given `http` by Nest
 */
function brokerModule(contextType: string | undefined): { module: Type<unknown>; broker: Broker } {
  const broker = new Broker();
  @Module({ imports: [DiscoveryModule] })
  class BrokerModule implements OnApplicationBootstrap {
    constructor(
      private readonly discovery: DiscoveryService,
      private readonly external: ExternalContextCreator,
    ) {}

    onApplicationBootstrap(): void {
      for (const { instance } of this.discovery.getProviders()) {
        if (typeof instance !== 'object' || instance === null) continue;
        const methods = Object.getPrototypeOf(instance) as Record<string, () => unknown>;
        for (const name of new MetadataScanner().getAllMethodNames(methods)) {
          const queue: unknown = Reflect.getMetadata(QUEUE, methods[name] ?? {});
          if (typeof queue === 'string')
            this.#subscribe(queue, instance as Record<string, () => unknown>, name);
        }
      }
    }

    #subscribe(queue: string, instance: Record<string, () => unknown>, name: string): void {
      const call = this.external.create(
        instance,
        instance[name],
        name,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        ...(contextType === undefined ? [] : [contextType]),
      );
      broker.on(queue, (message: Message, resolve, reject) => void call(...message).then(resolve, reject));
    }
  }
  return { module: BrokerModule, broker };
}

const ran: string[] = [];
const run = (name: string) => void ran.push(name);

@Injectable()
class Subscriptions {
  @Subscribe('undecorated')
  undecorated() {
    return run('undecorated');
  }

  @Public()
  @Subscribe('public')
  open() {
    return run('public');
  }

  @RequiresMAuth()
  @Subscribe('required')
  required() {
    return run('required');
  }

  @OptionalMAuth()
  @Subscribe('optional')
  optional() {
    return run('optional');
  }
}

class Parent {
  @RequiresMAuth()
  overridden() {
    return run('overridden');
  }
}

@Injectable()
class OverridingSubscriptions extends Parent {
  @Subscribe('overridden')
  override overridden() {
    return run('overridden');
  }
}

const SIGNED = { 'mcc-authentication': 'MWSV2 x:y;', 'mcc-time': '1' };
/** What may stand where a request stands for routes. */
const CONTENTS: readonly unknown[] = [
  undefined,
  null,
  'text',
  7,
  {},
  { study: 1 },
  { method: 'GET', url: '/app_status', headers: {} },
  { method: 'GET', url: '/app_status', headers: SIGNED, raw: { headers: SIGNED } },
];

describe.each(PLATFORMS)('Handlers that another module calls on %s', (_name, createAdapter) => {
  let app: INestApplication | undefined;
  let witness: Witness;
  let broker: Broker;

  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  async function start(protect: MAuthProtection, contextType: string | undefined): Promise<void> {
    ran.length = 0;
    witness = new Witness();
    const { module, ...made } = brokerModule(contextType);
    broker = made.broker;
    const running = await startApp(createAdapter, {
      imports: [MAuthModule.forRoot({ ...optionsFor(witness), protect }), module],
      providers: [Subscriptions, OverridingSubscriptions],
    });
    app = running.app;
  }

  const CLOSED = [
    ['decorated', ['required', 'overridden']],
    ['routes', ['undecorated', 'required', 'overridden']],
    ['everything', ['undecorated', 'required', 'overridden']],
  ] as const;
  const cases = CLOSED.flatMap(([protect, queues]) =>
    ['rmq', undefined].map((type) => [protect, type, queues] as const),
  );

  it.each(cases)(
    'are refused with the remedy (protect: %p, context type %p)',
    async (protect, type, queues) => {
      await start(protect, type);
      for (const queue of queues) {
        for (const content of CONTENTS) {
          witness.forget();
          const delivered = broker.deliver(queue, content, { fields: {}, properties: {} });
          await expect(delivered).rejects.toThrow(MAuthUnsupportedContextException);
          await expect(delivered).rejects.toThrow(/MAuth authenticates HTTP requests only.*@Public\(\)/);
          expect(witness.logger.lines.at(-1)).toEqual({
            level: 'warn',
            message: expect.stringMatching(
              new RegExp(
                `refused a call of type ${type ?? 'http'} at \\w*Subscriptions\\.${queue}.*@Public\\(\\)`,
                'i',
              ),
            ),
          });
        }
      }
      expect(ran).toEqual([]);
    },
  );

  it.each(cases)('run where they are public (protect: %p, context type %p)', async (protect, type) => {
    await start(protect, type);
    for (const content of CONTENTS) await broker.deliver('public', content, {});
    expect(ran).toHaveLength(CONTENTS.length);
  });

  it.each(['rmq', undefined])('do not count as unsigned requests where these may pass (%p)', async (type) => {
    await start('routes', type);
    for (const content of CONTENTS) {
      const delivered = broker.deliver('optional', content, {});
      await expect(delivered).rejects.toThrow(MAuthUnsupportedContextException);
    }
    expect(ran).toEqual([]);
  });
});
