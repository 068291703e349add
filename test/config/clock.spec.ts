import { Controller, Get } from '@nestjs/common';
import { MAuthAuthenticator, MAuthModule, MAuthSigner, RequiresMAuth } from '../../lib/index.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { caller, service } from '../support/inbound-app.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { sendBytes } from '../support/signed-http.js';

/** A day from now, which no allowed drift covers. */
const TOMORROW = Date.now() + 24 * 3600 * 1000;
const TOMORROW_SECONDS = Math.floor(TOMORROW / 1000);

const { appUuid, privateKey } = caller;
const findPublicKey = (asked: string) => (asked === appUuid ? caller.publicKey : undefined);

/** A clock that is put in the place of the real one after everything has been imported, as test frameworks do. */
const CLOCKS: readonly [string, () => void][] = [
  [
    'fake timers',
    () => {
      // Sockets and the thread pool go on in real time.
      const doNotFake = [
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setInterval',
        'clearInterval',
        'setTimeout',
        'clearTimeout',
      ] as const;
      jest.useFakeTimers({ now: TOMORROW, doNotFake: [...doNotFake] });
    },
  ],
  ['a spy at Date.now', () => void jest.spyOn(Date, 'now').mockReturnValue(TOMORROW)],
];

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe.each(CLOCKS)('The default clock follows %s, installed after the import,', (_, install) => {
  it('in settings, whether they were resolved before or after', () => {
    const before = resolveSettings({ appUuid, privateKey });
    install();
    expect(before.now()).toBe(TOMORROW);
    expect(resolveSettings({ appUuid, privateKey }).now()).toBe(TOMORROW);
  });

  it('when a request is signed', async () => {
    const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v1,v2' });
    install();
    const request = { method: 'GET', url: '/' };
    for (const current of [signer, new MAuthSigner({ appUuid, privateKey, signVersions: 'v1,v2' })]) {
      expect(await current.signRequest(request)).toMatchObject({
        'X-MWS-Time': String(TOMORROW_SECONDS),
        'MCC-Time': String(TOMORROW_SECONDS),
      });
    }
  });

  it('when a request is authenticated', async () => {
    const options = { appUuid: service.appUuid, findPublicKey, logAttempts: false };
    const logger = new RecordingLogger();
    const authenticator = new MAuthAuthenticator({ ...options, logger });
    const request = { method: 'GET', url: '/' };
    const headers = await new MAuthSigner({ appUuid, privateKey }).signRequest(request, {
      time: TOMORROW_SECONDS,
    });
    install();
    for (const current of [authenticator, new MAuthAuthenticator({ ...options, logger })]) {
      const result = await current.authenticateRequest({ ...request, headers, body: null });
      expect(result).toMatchObject({ authentic: true, appUuid });
    }
  });

  it.each(PLATFORMS)('in an application on %s', async (__, createAdapter) => {
    @Controller()
    class StudyController {
      @Get('study')
      @RequiresMAuth()
      read(): string {
        return 'read';
      }
    }
    const options = { appUuid: service.appUuid, findPublicKey, logAttempts: false };
    const { app, url, close } = await startApp(createAdapter, {
      controllers: [StudyController],
      imports: [MAuthModule.forRoot({ ...options, logger: new RecordingLogger() })],
    });
    try {
      const request = { method: 'GET', path: '/study', port: Number(new URL(url).port) };
      install();
      const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
      const headers = await signer.signRequest({ method: 'GET', url: '/study' });
      expect(headers['MCC-Time']).toBe(String(TOMORROW_SECONDS));
      expect(await sendBytes({ ...request, headers })).toMatchObject({ status: 200, text: 'read' });
      const stale = await signer.signRequest(
        { method: 'GET', url: '/study' },
        { time: TOMORROW_SECONDS - 3600 },
      );
      expect(await sendBytes({ ...request, headers: stale })).toMatchObject({ status: 401 });
    } finally {
      const { closeAllConnections } = app.getHttpServer() as { closeAllConnections(): void };
      closeAllConnections.call(app.getHttpServer());
      await close();
    }
  });
});
