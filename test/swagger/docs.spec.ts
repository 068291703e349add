import { Controller, Get, type INestApplication } from '@nestjs/common';
import { MAuthModule, RequiresMAuth } from '../../lib/index.js';
import { send } from '../support/caller.js';
import { blocksOf, runBlock } from '../support/page-code.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';

const RAVE = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';

@Controller('studies')
class StudiesController {
  @RequiresMAuth({ apps: ['rave'] })
  @Get()
  list() {}
}

// On Fastify the page itself is served by @fastify/static, which Nest cannot load inside Jest.
const [[, createAdapter]] = PLATFORMS;

describe('The page about OpenAPI', () => {
  it('shows what becomes of a handler', async () => {
    const mauth = MAuthModule.forRoot({
      appUuid: RAVE,
      findPublicKey: () => undefined,
      apps: { rave: RAVE },
      logger: new RecordingLogger(),
    });
    const { setUpDocument } = runBlock(blocksOf('openapi.md', 'ts')[0], require);
    const metadata = { imports: [mauth], controllers: [StudiesController] };
    const { url, close } = await startApp(createAdapter, metadata, undefined, (app) =>
      (setUpDocument as (app: INestApplication) => void)(app),
    );
    const { text } = await send(`${url}/docs-json`);
    await close();
    const { paths } = JSON.parse(text) as { paths: Record<string, { get: object }> };
    const { security, responses } = paths['/studies'].get as Record<string, unknown>;
    expect({ security, responses }).toEqual(JSON.parse(blocksOf('openapi.md', 'json')[0]));
  });
});
