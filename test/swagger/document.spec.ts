import { Controller, Get, Post, VersioningType } from '@nestjs/common';
import { DocumentBuilder } from '@nestjs/swagger';
import { MAuthModule, OptionalMAuth, Public, RequiresMAuth } from '../../lib/index.js';
import { createMAuthDocument } from '../../lib/swagger/index.js';
import { send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';

const APP = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const SIGNED = { 'mauth-v2': [], 'mauth-v2-time': [] };

class Listing {
  @Get('list')
  list() {}
}

@Public()
@Controller('open')
class OpenController extends Listing {
  @Get('own')
  own() {}
}

@RequiresMAuth({ apps: [APP] })
@Controller('closed')
class ClosedController extends Listing {
  @OptionalMAuth()
  @Post('maybe')
  maybe() {}
}

@Controller('plain')
class PlainController extends Listing {}

describe.each(PLATFORMS)('A document on %s', (_name, createAdapter) => {
  it.each(['decorated', 'routes'] as const)("tells what protect: '%s' protects", async (protect) => {
    let document: ReturnType<typeof createMAuthDocument> | undefined;
    const mauth = MAuthModule.forRoot({
      appUuid: APP,
      findPublicKey: () => undefined,
      protect,
      logger: new RecordingLogger(),
    });
    const metadata = { imports: [mauth], controllers: [OpenController, ClosedController, PlainController] };
    const { url, close } = await startApp(createAdapter, metadata, undefined, (app) => {
      app.setGlobalPrefix('api');
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      document = createMAuthDocument(app, new DocumentBuilder().setTitle('Studies').build());
    });
    const told = Object.entries(document?.paths ?? {}).map(([path, item]) => {
      const { security, responses } = (item.get ?? item.post)!;
      return [path, security, Object.keys(responses)];
    });
    const plain = protect === 'routes' ? [[SIGNED], ['200', '401', '503']] : [undefined, ['200']];
    expect(told).toEqual([
      ['/api/v1/open/own', undefined, ['200']],
      ['/api/v1/open/list', undefined, ['200']],
      ['/api/v1/closed/maybe', [SIGNED, {}], ['201', '401', '403', '503']],
      ['/api/v1/closed/list', [SIGNED], ['200', '401', '403', '503']],
      ['/api/v1/plain/list', ...plain],
    ]);
    for (const [path, item] of Object.entries(document?.paths ?? {})) {
      const { security } = (item.get ?? item.post)!;
      const { status } = await send(url + path, { method: item.get ? 'GET' : 'POST' });
      const isClosed = security !== undefined && !security.some((one) => Object.keys(one).length === 0);
      expect([path, status === 401]).toEqual([path, isClosed]);
    }
    await close();
    expect(JSON.stringify(document)).not.toContain('nestjs-mauth:');
  });
});
