import { Controller, Get, HttpException, type Type } from '@nestjs/common';
import * as firstCopy from '../../lib/index.js';
import { Caller, send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

// An application that is an ES module may use a library of controllers that is CommonJS: each then has its own copy
// of this package, while Nest itself is there once.
function loadSecondCopy(): typeof firstCopy {
  const shared = ['@nestjs/common', '@nestjs/core', '@nestjs/axios', 'reflect-metadata'];
  const loaded = new Map(shared.map((name) => [name, jest.requireActual<object>(name)]));
  let copy: typeof firstCopy | undefined;
  jest.isolateModules(() => {
    for (const [name, nest] of loaded) jest.doMock(name, () => nest);
    copy = jest.requireActual('../../lib/index.js');
  });
  return copy!;
}

const own = createTestApp();
const rave = createTestApp();
const other = createTestApp();
const known = new Map([rave, other].map((app) => [app.appUuid, app.publicKeyPem]));

describe('Decorators of another copy of this package', () => {
  const secondCopy = loadSecondCopy();
  const { AppUuid, OptionalMAuth, Public, RequiresMAuth } = secondCopy;

  @RequiresMAuth({ apps: ['rave'] })
  @Controller('required')
  class RequiredController {
    @Get() list(@AppUuid() appUuid: string) {
      return appUuid;
    }
    @Public() @Get('open') open() {
      return 'open';
    }
    @OptionalMAuth() @Get('optional') optional(@AppUuid({ optional: true }) appUuid?: string) {
      return appUuid ?? 'nobody';
    }
  }

  class OverridingController extends RequiredController {}
  Controller('overriding')(OverridingController);

  it('are really of another copy', () => {
    expect(secondCopy.RequiresMAuth).not.toBe(firstCopy.RequiresMAuth);
    expect(secondCopy.MAuthGuard).not.toBe(firstCopy.MAuthGuard);
  });

  it.each(
    PLATFORMS.flatMap(([name, adapter]) => [
      [name, 'decorated', adapter] as const,
      [name, 'routes', adapter] as const,
    ]),
  )(
    "are obeyed by the module of this one, on %s with protect: '%s'",
    async (_name, protect, createAdapter) => {
      const mauth = firstCopy.MAuthModule.forRoot({
        appUuid: own.appUuid,
        findPublicKey: (appUuid) => known.get(appUuid),
        apps: { rave: rave.appUuid },
        logger: new RecordingLogger(),
        protect,
      });
      const controllers: Type[] = [RequiredController, OverridingController];
      const { url, close } = await startApp(createAdapter, { imports: [mauth], controllers });
      for (const path of ['required', 'overriding']) {
        expect((await send(`${url}/${path}`)).status).toBe(401);
        expect((await new Caller(other).signed(`${url}/${path}`)).status).toBe(403);
        expect((await new Caller(rave).signed(`${url}/${path}`)).text).toBe(rave.appUuid);
        expect((await send(`${url}/${path}/open`)).text).toBe('open');
        expect((await send(`${url}/${path}/optional`)).text).toBe('nobody');
        expect((await new Caller(rave).badlySigned(`${url}/${path}/optional`)).status).toBe(401);
      }
      await close();
    },
  );

  it('bring its guard, which leaves decisions to the guard of the application', async () => {
    class OwnGuard extends secondCopy.MAuthGuard {
      protected override toException() {
        return new HttpException('own', 418);
      }
    }
    for (const protect of ['decorated', 'everything'] as const) {
      const mauth = firstCopy.MAuthModule.forRoot({
        appUuid: own.appUuid,
        findPublicKey: (appUuid) => known.get(appUuid),
        apps: { rave: rave.appUuid },
        logger: new RecordingLogger(),
        protect,
        guard: OwnGuard,
      });
      const [, createAdapter] = PLATFORMS[0];
      const app = await startApp(createAdapter, { imports: [mauth], controllers: [RequiredController] });
      try {
        expect((await send(`${app.url}/required`)).status).toBe(418);
        expect((await new Caller(rave).signed(`${app.url}/required`)).text).toBe(rave.appUuid);
      } finally {
        await app.close();
      }
    }
  });
});
