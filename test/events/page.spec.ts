import { type DynamicModule } from '@nestjs/common';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { Caller, send } from '../support/caller.js';
import { caller, service } from '../support/inbound-app.js';
import { blocksOf, runBlock } from '../support/page-code.js';
import { PLATFORMS, startApp } from '../support/running-app.js';
import { Controller, Get } from '@nestjs/common';

@Controller()
class Studies {
  @Get('studies')
  all(): string {
    return 'all';
  }
}

describe.each(PLATFORMS)('The page about what is seen from outside, on %s', (_, adapter) => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });

  it('keeps an audit trail, and counts refusals', async () => {
    const mauth = await FakeMAuthService.start();
    mauth.register(caller.appUuid, caller.publicKeyPem);
    mauth.register(service.appUuid, service.publicKeyPem);
    const { appUuid, privateKeyPem } = service;
    Object.assign(process.env, { APP_UUID: appUuid, PRIVATE_KEY: privateKeyPem, MAUTH_URL: mauth.url });
    const [audit, , count] = blocksOf('telemetry.md', 'ts');
    const shown = runBlock(audit, require) as { mauth: DynamicModule; trail: string[] };
    const { refusals } = runBlock(count, require) as { refusals: Map<string, number> };
    const { url, close } = await startApp(adapter, { imports: [shown.mauth], controllers: [Studies] });
    await new Caller(caller).signed(`${url}/studies?page=1`);
    await send(`${url}/studies`);
    await close();
    await mauth.stop();
    expect(shown.trail).toEqual([
      `authentic  ${caller.appUuid} GET /studies`,
      'inauthentic missing_headers unknown GET /studies',
    ]);
    expect([...refusals]).toEqual([['missing_headers', 1]]);
  });
});
