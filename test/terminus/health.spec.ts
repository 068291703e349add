import { Controller, Get, Module } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { MAuthModule, Public, type MAuthModuleOptions } from '../../lib/index.js';
import { FakeMAuthService, MAuthTestingModule } from '../../lib/testing/index.js';
import { MAuthHealthIndicator } from '../../lib/terminus/index.js';
import { send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();

/** Terminus 11 does not know it. */
const knowsDegraded = 'degraded' in new HealthIndicatorService().check('mauth');
const DEGRADED = knowsDegraded ? 'degraded' : 'up';

@Public()
@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly mauth: MAuthHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check() {
    return this.health.check([() => this.mauth.isHealthy()]);
  }
}

@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [MAuthHealthIndicator],
})
class HealthModule {}

@Controller('studies')
class StudiesController {
  @Get()
  list() {
    return 'listed';
  }
}

describe.each(PLATFORMS)('A health check on %s', (_name, createAdapter) => {
  let service: FakeMAuthService;
  let running: RunningApp;
  let ahead: number;
  const now = () => Date.now() + ahead;

  const start = async (options: Partial<MAuthModuleOptions> = {}) => {
    const mauth = MAuthModule.forRoot({
      appUuid: own.appUuid,
      privateKey: own.privateKey,
      mauthUrl: service.url,
      protect: 'routes',
      logger: new RecordingLogger(),
      now,
      ...options,
    });
    running = await startApp(createAdapter, {
      imports: [mauth, HealthModule],
      controllers: [StudiesController],
    });
  };
  const restart = async (options: Partial<MAuthModuleOptions>) => {
    await running.close();
    await start(options);
  };
  /** A signed request, so that its key is in memory. */
  const call = async () => {
    const rave = MAuthTestingModule.caller();
    service.register(rave);
    const headers = await rave.sign({ method: 'GET', url: '/studies' });
    expect((await send(`${running.url}/studies`, { headers })).status).toBe(200);
  };

  beforeEach(async () => {
    ahead = 0;
    service = await FakeMAuthService.start({ now });
    service.register(own.appUuid, own.publicKeyPem);
    await start();
  });
  afterEach(async () => {
    await running.close();
    await service.stop();
  });

  const health = async () => {
    const { status, text } = await send(`${running.url}/health`);
    return { status, mauth: (JSON.parse(text) as { details: { mauth: object } }).details.mauth };
  };
  const answer = (fields: object) => ({
    lastSuccessAgeSeconds: null,
    servingStale: false,
    cachedKeys: 0,
    ...fields,
  });

  it('is up where the service knows this app', async () => {
    await expect(health()).resolves.toEqual({
      status: 200,
      mauth: answer({ status: 'up', ownKey: 'usable', service: 'reachable', lastSuccessAgeSeconds: 0 }),
    });
  });

  it('asks once a second, however often it is called', async () => {
    await Promise.all(Array.from({ length: 20 }, health));
    await health();
    expect(service.calls).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 1050));
    await health();
    expect(service.calls).toHaveLength(2);
  });

  it('asks a failing service once, too', async () => {
    service.fail(503);
    await health();
    expect(service.calls).toHaveLength(1);
  });

  it.each(['hang', 'refuse', 'malformed', 503] as const)(
    'is down without a cached key where the service answers: %s',
    async (fault) => {
      service.fail(fault);
      const started = performance.now();
      await expect(health()).resolves.toEqual({
        status: 503,
        mauth: answer({ status: 'down', ownKey: 'usable', service: 'unreachable' }),
      });
      expect(performance.now() - started).toBeLessThan(1000);
    },
  );

  it('is up with a good key in memory while the service hangs', async () => {
    await call();
    service.fail('hang');
    await expect(health()).resolves.toEqual({
      status: 200,
      mauth: answer({
        status: 'up',
        ownKey: 'usable',
        service: 'unreachable',
        cachedKeys: 1,
        lastSuccessAgeSeconds: 0,
      }),
    });
  });

  it.each([
    ['is revoked', () => service.revoke(own.appUuid)],
    ['is not found', () => service.fail(404)],
  ])('is down where this app %s', async (_how, lose) => {
    lose();
    const { status, mauth } = await health();
    expect({ status, mauth }).toMatchObject({
      status: 503,
      mauth: { status: 'down', ownKey: 'unusable', service: 'reachable' },
    });
  });

  it('asks for nothing but the public key of this app itself, by a signed request', async () => {
    await health();
    expect(service.calls).toMatchObject([
      { kind: 'security_token', method: 'GET', appUuid: own.appUuid, status: 200 },
    ]);
  });

  it('is degraded while it serves stale keys, and up again once the service is back', async () => {
    await call();
    ahead = 600_000;
    service.fail(503);
    await expect(health()).resolves.toEqual({
      status: 200,
      mauth: answer({
        status: DEGRADED,
        ownKey: 'usable',
        service: 'unreachable',
        servingStale: true,
        cachedKeys: 1,
        lastSuccessAgeSeconds: 600,
      }),
    });
    service.fail(undefined);
    ahead += 2000;
    await expect(health()).resolves.toMatchObject({
      status: 200,
      mauth: {
        status: 'up',
        service: 'reachable',
        servingStale: false,
        cachedKeys: 1,
        lastSuccessAgeSeconds: 0,
      },
    });
  });

  it('is down once keys are too old even for an outage', async () => {
    await call();
    ahead = 30 * 86_400_000;
    service.fail(503);
    await expect(health()).resolves.toMatchObject({
      status: 503,
      mauth: { status: 'down', service: 'unreachable', servingStale: false, cachedKeys: 0 },
    });
  });

  it('keeps what the service last said of the own key while the service is away', async () => {
    service.revoke(own.appUuid);
    await health();
    await service.stop();
    ahead = 2000;
    await expect(health()).resolves.toMatchObject({
      status: 503,
      mauth: { status: 'down', ownKey: 'unusable', service: 'unreachable' },
    });
    await service.restart();
    service.register(own.appUuid, own.publicKeyPem);
    ahead = 4000;
    await expect(health()).resolves.toMatchObject({
      status: 200,
      mauth: { status: 'up', ownKey: 'usable', service: 'reachable' },
    });
  });

  it('is down with another key at the service than the own one', async () => {
    await service.rotate(own.appUuid);
    await expect(health()).resolves.toMatchObject({
      status: 503,
      mauth: { status: 'down', ownKey: 'unusable', service: 'reachable' },
    });
  });

  it('is down in remote mode as soon as the service is away', async () => {
    await restart({ mode: 'remote' });
    await expect(health()).resolves.toMatchObject({ status: 200, mauth: { status: 'up' } });
    service.fail('refuse');
    ahead = 2000;
    await expect(health()).resolves.toEqual({
      status: 503,
      mauth: answer({
        status: 'down',
        ownKey: 'usable',
        service: 'unreachable',
        lastSuccessAgeSeconds: 2,
      }),
    });
  });

  it.each([
    ['with', own.privateKey, 'usable'],
    ['without', undefined, 'not_used'],
  ])('asks no service with findPublicKey, %s a private key', async (_with, privateKey, ownKey) => {
    await restart({ findPublicKey: () => undefined, mauthUrl: undefined, privateKey });
    await expect(health()).resolves.toEqual({
      status: 200,
      mauth: answer({ status: 'up', ownKey, service: 'not_used' }),
    });
    expect(service.calls).toEqual([]);
  });

  it('keeps the deadline that it is given, for those who ask beside each other as well', async () => {
    service.fail('hang');
    const indicator = running.app.get(MAuthHealthIndicator, { strict: false });
    const started = performance.now();
    const asked = [300, 50].map(async (deadlineMs) => {
      const { mauth } = await indicator.isHealthy('mauth', { deadlineMs });
      return [mauth.service, performance.now() - started] as const;
    });
    const [[longer, slow], [shorter, fast]] = (await Promise.all(asked)) as [
      readonly [string, number],
      readonly [string, number],
    ];
    expect([longer, shorter]).toEqual(['unreachable', 'unreachable']);
    expect(fast).toBeLessThan(250);
    expect(slow).toBeLessThan(700);
    expect(service.calls).toHaveLength(1);
  });

  it.each([0, -1, NaN, 2 ** 31, '500'])('refuses the deadline %p', async (deadlineMs) => {
    const indicator = running.app.get(MAuthHealthIndicator, { strict: false });
    await expect(indicator.isHealthy('mauth', { deadlineMs: deadlineMs as number })).rejects.toThrow(
      'deadlineMs',
    );
  });
});
