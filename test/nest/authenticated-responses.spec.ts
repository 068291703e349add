import { Controller, Get } from '@nestjs/common';
import fastifyCompress from '@fastify/compress';
import compression from 'compression';
import {
  getMAuthIdentity,
  MAuthHttpService,
  MAuthModule,
  Public,
  type MAuthModuleOptions,
} from '../../lib/index.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const asking = createTestApp();
const answering = createTestApp();
const apps = [asking, answering];

function options(own: typeof asking, more: Partial<MAuthModuleOptions>): MAuthModuleOptions {
  return {
    appUuid: own.appUuid,
    privateKey: own.privateKey,
    findPublicKey: (appUuid) => apps.find((app) => app.appUuid === appUuid)?.publicKey,
    logger: new RecordingLogger(),
    ...more,
  };
}

@Controller()
class StudiesController {
  @Get('studies') studies() {
    return { studies: Array.from({ length: 500 }, (_, id) => ({ id, name: 'Müller' })) };
  }

  @Public() @Get('open') open() {
    return 'unsigned';
  }
}

describe.each(PLATFORMS)('One application that asks another on %s', (platform, createAdapter) => {
  const running: RunningApp[] = [];
  let origin: string;

  async function asker(http: MAuthModuleOptions['http']): Promise<MAuthHttpService> {
    const mauth = MAuthModule.forRoot(options(asking, { http }));
    const app = await startApp(createAdapter, { imports: [mauth] });
    running.push(app);
    return app.app.get(MAuthHttpService);
  }

  beforeAll(async () => {
    const mauth = MAuthModule.forRoot({
      ...options(answering, { responses: { sign: true } }),
      protect: 'routes',
    });
    const metadata = { imports: [mauth], controllers: [StudiesController] };
    const answerer = await startApp(createAdapter, metadata, undefined, async (app) => {
      if (platform === 'Express') app.use(compression());
      else await (app as any).register(fastifyCompress);
    });
    running.push(answerer);
    origin = answerer.url;
  });
  afterAll(() => Promise.all(running.map(({ close }) => close())));

  it.each(['v1', 'v2'] as const)(
    'knows who answered, also through compression, with %s',
    async (signVersions) => {
      const mauth = MAuthModule.forRoot(
        options(asking, {
          signVersions,
          http: { baseURL: origin, signedOrigins: [origin], authenticateResponses: true },
        }),
      );
      const app = await startApp(createAdapter, { imports: [mauth] });
      running.push(app);
      const response = await app.app.get(MAuthHttpService).axiosRef.get<{ studies: object[] }>('/studies');
      expect(response.data.studies).toHaveLength(500);
      expect(getMAuthIdentity(response)).toEqual({
        appUuid: answering.appUuid,
        protocolVersion: signVersions === 'v1' ? 1 : 2,
      });
    },
  );

  it('is told when nobody, or somebody else, signed the answer', async () => {
    const http = await asker({ baseURL: origin, expectAppUuid: asking.appUuid });
    await expect(http.axiosRef.get('/studies')).rejects.toMatchObject({ code: 'unexpected_app' });
    const unsigning = await asker({ baseURL: origin, signedOrigins: ['https://other.example.com'] });
    await expect(unsigning.axiosRef.get('/open')).resolves.toMatchObject({ data: 'unsigned' });
    const strict = await asker({
      baseURL: origin,
      signedOrigins: ['https://other.example.com'],
      authenticateResponses: true,
    });
    await expect(strict.axiosRef.get('/open')).rejects.toMatchObject({ code: 'missing_headers' });
  });

  it('does not start without anybody to ask for keys', async () => {
    const mauth = MAuthModule.forRoot({
      ...options(asking, { http: { authenticateResponses: true } }),
      findPublicKey: undefined,
    });
    await expect(startApp(createAdapter, { imports: [mauth] })).rejects.toThrow(
      /`http\.authenticateResponses`.*`mauthUrl`/,
    );
  });
});
