import { Controller, Get, Module } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { MAuthModule, Public } from '../../lib/index.js';
import { FakeMAuthService, MAuthTestingModule } from '../../lib/testing/index.js';
import { MAuthHealthIndicator } from '../../lib/terminus/index.js';
import { send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();

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

  beforeEach(async () => {
    service = (await FakeMAuthService.start()).register(own.appUuid, own.publicKeyPem);
    const mauth = MAuthModule.forRoot({
      appUuid: own.appUuid,
      privateKey: own.privateKey,
      mauthUrl: service.url,
      protect: 'routes',
      logger: new RecordingLogger(),
    });
    running = await startApp(createAdapter, {
      imports: [mauth, HealthModule],
      controllers: [StudiesController],
    });
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
    const rave = MAuthTestingModule.caller();
    service.register(rave);
    const headers = await rave.sign({ method: 'GET', url: '/studies' });
    expect((await send(`${running.url}/studies`, { headers })).status).toBe(200);
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
});
