import { Body, Controller, Get, Post } from '@nestjs/common';
import {
  AppUuid,
  MAuthModule,
  redisReplayStore,
  RequiresMAuth,
  type MAuthReplayOptions,
} from '../../lib/index.js';
import * as library from '../../lib/index.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { send } from '../support/caller.js';
import { examplesOf, runExample } from '../support/examples.js';
import { FakeClocks } from '../support/fake-clocks.js';
import { RawConnection } from '../support/raw-connection.js';
import { hasRedisServer, RedisServer } from '../support/redis-server.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const service = createTestApp();
const caller = createTestApp();
const signer = new MAuthSigner({
  appUuid: caller.appUuid,
  privateKey: caller.privateKey,
  signVersions: 'v2',
});

let received: unknown[];

@Controller('orders')
@RequiresMAuth()
class OrdersController {
  @Get()
  list(@AppUuid() caller: string) {
    return caller;
  }

  @Post()
  order(@Body() order: unknown) {
    received.push(order);
    return 'ordered';
  }
}

describe.each(PLATFORMS)('Replay protection on %s', (_, createAdapter) => {
  let logger: RecordingLogger;
  let running: RunningApp[];

  beforeEach(() => {
    received = [];
    running = [];
    logger = new RecordingLogger();
  });
  afterEach(async () => {
    await Promise.all(running.map(async (app) => app.close()));
  });

  /** Gate, guard of the application and guard of the controller: each request passes three of them. */
  async function start(replayProtection: true | MAuthReplayOptions = true): Promise<string> {
    const mauth = MAuthModule.forRoot({
      appUuid: service.appUuid,
      findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
      v2OnlyAuthenticate: true,
      replayProtection,
      logger,
      protect: 'everything',
    });
    const app = await startApp(createAdapter, { imports: [mauth], controllers: [OrdersController] });
    running.push(app);
    return app.url;
  }

  async function order(number: number) {
    const body = JSON.stringify({ number });
    const signature = await signer.signRequest({ method: 'POST', url: '/orders', body });
    return { method: 'POST', body, headers: { ...signature, 'content-type': 'application/json' } };
  }

  it('lets a request pass a gate and two guards, and its copy none of them', async () => {
    const url = await start();
    const first = await order(1);
    expect(await send(`${url}/orders`, first)).toMatchObject({ status: 201, text: 'ordered' });
    const copy = await send(`${url}/orders`, first);
    expect([copy.status, copy.text]).toEqual([401, '{"errors":{"mauth":["Unauthorized"]}}']);
    expect((await send(`${url}/orders`, await order(2))).status).toBe(201);
    expect(received).toEqual([{ number: 1 }, { number: 2 }]);
    expect(logger.lines.filter(({ message }) => message.includes('(replayed)'))).toHaveLength(1);
  });

  it('delivers one of many copies that come at once', async () => {
    const url = await start();
    const first = await order(1);
    const answers = await Promise.all(Array.from({ length: 20 }, async () => send(`${url}/orders`, first)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(401)]);
    expect(received).toHaveLength(1);
  });

  it('refuses a copy also after the clock of the wall was an hour ahead for a while', async () => {
    const url = await start();
    const clocks = new FakeClocks();
    try {
      const first = await order(1);
      expect((await send(`${url}/orders`, first)).status).toBe(201);
      clocks.setWallClock(3600);
      expect((await send(`${url}/orders`, await order(2))).status).toBe(201);
      clocks.setWallClock(-3600);
      expect((await send(`${url}/orders`, first)).status).toBe(401);
      expect(received).toEqual([{ number: 1 }, { number: 2 }]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('refuses a copy that begins in time and ends when its original has been forgotten', async () => {
    const url = await start();
    const clocks = new FakeClocks();
    const connection = await RawConnection.open(Number(new URL(url).port));
    try {
      const body = '{"number":1}';
      const time = Math.floor(Date.now() / 1000) + 300;
      const signature = await signer.signRequest({ method: 'POST', url: '/orders', body }, { time });
      const headers = { ...signature, 'content-type': 'application/json' };
      expect((await send(`${url}/orders`, { method: 'POST', body, headers })).status).toBe(201);
      clocks.advance(600);
      logger.lines.length = 0;
      await connection.writeHead('POST /orders', { ...headers, 'content-length': body.length });
      while (!logger.lines.some(({ message }) => message.includes('attempting to authenticate')))
        await new Promise(setImmediate);
      clocks.advance(1);
      // Every request makes the memory forget what has ended.
      expect((await send(`${url}/orders`, await order(2))).status).toBe(201);
      await connection.write(body);
      expect((await connection.answer())?.status).toBe(401);
      expect(received).toEqual([{ number: 1 }, { number: 2 }]);
    } finally {
      jest.useRealTimers();
      connection.destroy();
    }
  });

  it('leaves GET alone', async () => {
    const url = await start();
    const headers = await signer.signRequest({ method: 'GET', url: '/orders' });
    for (let time = 0; time < 2; time++)
      expect(await send(`${url}/orders`, { headers })).toMatchObject({ status: 200, text: caller.appUuid });
  });

  it('answers 503 with Retry-After when it can remember no more', async () => {
    const url = await start({ maxEntries: 1 });
    await send(`${url}/orders`, await order(1));
    const answer = await send(`${url}/orders`, await order(2));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
    expect(received).toEqual([{ number: 1 }]);
  });

  (hasRedisServer ? describe : describe.skip)('in Redis', () => {
    let redis: RedisServer;
    beforeEach(async () => (redis = await RedisServer.start()));
    afterEach(async () => redis.close());

    const store = () => {
      const client = redis.client();
      return redisReplayStore((command, ...words) => client.call(command, ...words));
    };

    it('holds for two instances together, for twice the drift and a second', async () => {
      const [one, other] = [await start({ store: store() }), await start({ store: store() })];
      const first = await order(1);
      expect((await send(`${one}/orders`, first)).status).toBe(201);
      expect((await send(`${other}/orders`, first)).status).toBe(401);
      expect((await send(`${other}/orders`, await order(2))).status).toBe(201);
      expect(received).toEqual([{ number: 1 }, { number: 2 }]);
      const client = redis.client();
      const keys = await client.keys('nestjs-mauth:replay:*');
      expect(keys).toHaveLength(2);
      const left = await client.pttl(keys[0]);
      expect(left).toBeGreaterThan(595_000);
      expect(left).toBeLessThanOrEqual(601_000);
    });

    it('delivers one of many copies that come to two instances at once', async () => {
      const urls = [await start({ store: store() }), await start({ store: store() })];
      const first = await order(1);
      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => send(`${urls[index % 2]}/orders`, first)),
      );
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(19);
      expect(received).toHaveLength(1);
    });

    it.each([0, 1])('is remembered as the example %i says', async (index) => {
      const client = redis.client();
      const given = {
        ...library,
        Redis: function Redis() {
          return client;
        },
        createClient: () => ({
          connect: async () => ({
            sendCommand: ([name, ...words]: [string, ...string[]]) => client.call(name, ...words),
          }),
        }),
        mauthOptionsFromEnv: () => ({ appUuid: service.appUuid, findPublicKey: () => caller.publicKey }),
      };
      const examples = examplesOf(
        'lib/authentication/replay-protection.ts',
        'export function redisReplayStore',
      );
      const url = await start({ store: await runExample(examples[index], given, 'store') });
      const first = await order(1);
      expect((await send(`${url}/orders`, first)).status).toBe(201);
      expect((await send(`${url}/orders`, first)).status).toBe(401);
      expect(await client.keys('nestjs-mauth:replay:*')).toHaveLength(1);
    });

    it('accepts nothing when Redis is gone, and says so, while GET goes on', async () => {
      const url = await start({ store: store() });
      await redis.kill();
      const began = performance.now();
      expect((await send(`${url}/orders`, await order(1))).status).toBe(503);
      expect(performance.now() - began).toBeLessThan(1_500);
      expect(received).toEqual([]);
      const headers = await signer.signRequest({ method: 'GET', url: '/orders' });
      expect((await send(`${url}/orders`, { headers })).status).toBe(200);
      const lines = logger.lines.filter(({ message }) => message.includes('`replayProtection.store`'));
      expect(lines.map(({ level }) => level)).toEqual(['error']);
    });

    it('accepts nothing when Redis has no room left', async () => {
      const url = await start({ store: store() });
      await redis.client().call('CONFIG', 'SET', 'maxmemory', '1');
      expect((await send(`${url}/orders`, await order(1))).status).toBe(503);
      expect(received).toEqual([]);
    });
  });
});
