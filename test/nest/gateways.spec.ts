import { readFileSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Injectable, UseGuards, type INestApplication, type Type } from '@nestjs/common';
import { Transport, type TcpOptions } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WebSocket } from 'ws';
import { MAuthConfigurationError } from '../../lib/core.js';
import { MAuthGuard, MAuthModule, Public, RequiresMAuth, type MAuthProtection } from '../../lib/index.js';
import { freePort } from '../support/free-port.js';
import { optionsFor, Witness } from '../support/inbound-app.js';
import { PLATFORMS } from '../support/running-app.js';

const CORE = join(__dirname, '../../node_modules/@nestjs/core/package.json');
const [NEST] = (JSON.parse(readFileSync(CORE, 'utf8')) as { version: string }).version.split('.');
/** Nest 11 runs no global guards for gateways. */
const runsGlobalGuards = Number(NEST) >= 12;

let ran = 0;
const run = () => ({ event: 'answer', data: ++ran });

@WebSocketGateway()
class UndecoratedGateway {
  @SubscribeMessage('ask')
  ask() {
    return run();
  }
}

@Public()
@WebSocketGateway()
class PublicGateway {
  @SubscribeMessage('ask')
  ask() {
    return run();
  }
}

@WebSocketGateway()
class HalfOpenGateway {
  @Public()
  @SubscribeMessage('ask')
  ask() {
    return run();
  }

  @SubscribeMessage('forgotten')
  forgotten() {
    return run();
  }
}

@RequiresMAuth()
@WebSocketGateway()
class ClosedGateway {
  @SubscribeMessage('ask')
  ask() {
    return run();
  }
}

@Injectable()
class OwnGuard extends MAuthGuard {}

@WebSocketGateway()
class GuardedGateway {
  @UseGuards(OwnGuard)
  @SubscribeMessage('ask')
  ask() {
    return run();
  }
}

class Parent {
  @RequiresMAuth()
  ask() {
    return run();
  }
}

/** Nest keeps guards on functions, and this is another one. */
@WebSocketGateway()
class OverridingGateway extends Parent {
  @SubscribeMessage('ask')
  override ask() {
    return run();
  }
}

@WebSocketGateway()
class SilentGateway {
  handleConnection(): void {
    return undefined;
  }
}

describe.each(PLATFORMS)('WebSocket gateways on %s', (_, createAdapter) => {
  let app: INestApplication | undefined;
  let witness: Witness;

  beforeEach(() => (ran = 0));
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  async function start(
    gateway: Type<unknown>,
    protect: MAuthProtection,
    guard?: Type<MAuthGuard>,
  ): Promise<void> {
    witness = new Witness();
    const imports = [MAuthModule.forRoot({ ...optionsFor(witness), protect, guard })];
    const testing = await Test.createTestingModule({ imports, providers: [gateway] }).compile();
    app = testing.createNestApplication(createAdapter(), { logger: false });
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
  }

  /** What comes back; Nest 11 leaves refused messages without an answer, so the log counts as well. */
  async function ask(url?: string): Promise<string> {
    const socket = new WebSocket(url ?? (await app?.getUrl())?.replace('http', 'ws') ?? '');
    try {
      return await new Promise((resolve, reject) => {
        socket.on('error', reject).on('message', (data: Buffer) => resolve(data.toString()));
        socket.on('open', () => socket.send('{"event":"ask"}'));
        witness.logger.warn = resolve;
      });
    } finally {
      socket.terminate();
    }
  }

  const refused = (place: string) =>
    expect.stringMatching(
      `^MAuth refused a call of type ws at ${place}: unsupported_context\\. MAuth .*@Public\\(\\)`,
    );

  it.each([
    ['routes', UndecoratedGateway, 'UndecoratedGateway.ask'],
    ['everything', UndecoratedGateway, 'UndecoratedGateway.ask'],
    ['decorated', OverridingGateway, 'OverridingGateway.ask'],
  ] as const)(
    'are closed, or do not start, where nobody opened them (%s, %p)',
    async (protect, gateway, name) => {
      if (runsGlobalGuards) {
        await start(gateway, protect);
        expect(await ask()).toEqual(refused(name));
      } else {
        const started = start(gateway, protect);
        await expect(started).rejects.toThrow(MAuthConfigurationError);
        await expect(started).rejects.toThrow(
          new RegExp(`${name}\\. .*@Public\\(\\).*@RequiresMAuth\\(\\).*@UseGuards\\(MAuthGuard\\)`),
        );
      }
      expect(ran).toBe(0);
    },
  );

  it('are named with each handler that nobody opened', async () => {
    const started = start(HalfOpenGateway, 'routes');
    if (runsGlobalGuards) {
      await started;
      expect(await ask()).toContain('answer');
    } else {
      await expect(started).rejects.toThrow(/nothing protects HalfOpenGateway\.forgotten\. /);
    }
  });

  it.each([ClosedGateway, GuardedGateway])(
    'refuse messages where they bring the guard (%p)',
    async (gateway) => {
      await start(gateway, 'routes', OwnGuard);
      expect(await ask()).toEqual(refused(`${gateway.name}.ask`));
      expect(ran).toBe(0);
    },
  );

  it.each([
    ['routes', PublicGateway],
    ['everything', PublicGateway],
    ['decorated', UndecoratedGateway],
  ] as const)('answer where they are open (%s, %p)', async (protect, gateway) => {
    await start(gateway, protect);
    expect(JSON.parse(await ask())).toEqual({ event: 'answer', data: 1 });
  });

  /** Connected once more, with a configuration of the microservice's own: without global guards. */
  it.each([UndecoratedGateway, PublicGateway])(
    'are no more open at a microservice that is initialised later (%p)',
    async (gateway) => {
      witness = new Witness();
      const imports = [MAuthModule.forRoot({ ...optionsFor(witness), protect: 'routes' })];
      const testing = await Test.createTestingModule({ imports, providers: [gateway] }).compile();
      app = testing.createNestApplication(createAdapter(), { logger: false });
      const service = app.connectMicroservice<TcpOptions>(
        { transport: Transport.TCP, options: { host: '127.0.0.1', port: await freePort() } },
        { deferInitialization: true },
      );
      service.useWebSocketAdapter(new WsAdapter(app));
      if (!runsGlobalGuards && gateway === UndecoratedGateway) {
        return expect(app.startAllMicroservices()).rejects.toThrow(MAuthConfigurationError);
      }
      await app.startAllMicroservices();
      await app.getHttpAdapter().listen(0);
      const { port } = app.getHttpServer().address() as AddressInfo;
      const answer = await ask(`ws://127.0.0.1:${port}`);
      if (gateway === PublicGateway) expect(JSON.parse(answer)).toEqual({ event: 'answer', data: 1 });
      else expect(answer).toEqual(refused(`${gateway.name}.ask`));
      return expect(ran).toBe(gateway === PublicGateway ? 1 : 0);
    },
  );

  it('may be without handlers', async () => {
    await expect(start(SilentGateway, 'routes')).resolves.toBeUndefined();
  });
});
