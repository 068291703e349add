import { type Type } from '@nestjs/common';
import { MAuthModule } from '../../lib/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { send } from '../support/caller.js';
import { blocksOf, runBlock } from '../support/page-code.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

describe.each(PLATFORMS)('The page about health checks, on %s', (_name, createAdapter) => {
  it('shows what a check answers', async () => {
    const { appUuid, privateKey, publicKeyPem } = createTestApp();
    const service = await FakeMAuthService.start();
    service.register(appUuid, publicKeyPem);
    const [code] = blocksOf('health.md', 'ts');
    const mauth = MAuthModule.forRoot({
      appUuid,
      privateKey,
      mauthUrl: service.url,
      protect: 'routes',
      logger: new RecordingLogger(),
    });
    const { HealthModule } = runBlock(code, require) as { HealthModule: Type };
    const { url, close } = await startApp(createAdapter, { imports: [mauth, HealthModule] });
    const { status, text } = await send(`${url}/health`);
    await close();
    await service.stop();
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject(JSON.parse(blocksOf('health.md', 'json')[0]) as object);
  });
});
