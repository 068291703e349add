import { HttpModule, HttpService } from '@nestjs/axios';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import axios from 'axios';
import { firstValueFrom } from 'rxjs';
import {
  MAUTH_HTTP_OPTIONS,
  mauthHttpProvider,
  MAuthHttpService,
  type MAuthHttpOptions,
} from '../../lib/outbound/axios/mauth-http.service.js';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import { answerWith, expectAuthentic, mauthHeaders, RecordingServer } from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const other = new RecordingServer(app);

beforeAll(() => Promise.all([server.start(), other.start()]));
afterAll(() => Promise.all([server.stop(), other.stop()]));
beforeEach(() => {
  server.reset();
  other.reset();
});

@Injectable()
class Studies {
  constructor(
    readonly http: MAuthHttpService,
    readonly plain: HttpService,
  ) {}
}

@Module({})
class OutboundModule {}

/** Wired as in an application: options that are known late, beside an HttpModule of the application's own. */
async function compile(http: MAuthHttpOptions | undefined): Promise<Studies> {
  const outbound: DynamicModule = {
    module: OutboundModule,
    providers: [
      { provide: MAUTH_HTTP_OPTIONS, useFactory: async () => http },
      {
        provide: MAuthSigner,
        useFactory: () =>
          new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' }),
      },
      {
        provide: MAuthAuthenticator,
        useFactory: () =>
          new MAuthAuthenticator({
            appUuid: app.appUuid,
            findPublicKey: () => app.publicKey,
            logger: new RecordingLogger(),
          }),
      },
      mauthHttpProvider,
    ],
    exports: [MAuthHttpService],
  };
  const module = await Test.createTestingModule({
    imports: [outbound, HttpModule],
    providers: [Studies],
  }).compile();
  return module.get(Studies);
}

describe('MAuthHttpService', () => {
  it('is an HttpService that signs', async () => {
    const { http } = await compile(undefined);
    expect(http).toBeInstanceOf(HttpService);
    server.answer(answerWith(200, {}, '{"id":1}'));
    const response = await firstValueFrom(
      http.post(`${server.origin}/studies`, { a: 1 }, { params: { page: 1 } }),
    );
    expect(response.data).toEqual({ id: 1 });
    expectAuthentic(server.last, app);
  });

  it.each(['get', 'delete', 'head'] as const)('signs %s', async (method) => {
    const { http } = await compile({ baseURL: server.origin });
    await firstValueFrom(http[method]('/x'));
    expectAuthentic(server.last, app);
  });

  it.each(['post', 'put', 'patch', 'postForm', 'putForm', 'patchForm'] as const)(
    'signs %s',
    async (method) => {
      const { http } = await compile({ baseURL: server.origin });
      await firstValueFrom(http[method]('/x', { a: 1 }));
      expectAuthentic(server.last, app);
    },
  );

  it('takes what axios is to use as defaults from its options', async () => {
    const { http } = await compile({ baseURL: server.origin, headers: { 'X-Own': '1' }, params: { p: 1 } });
    await firstValueFrom(http.get('/x'));
    expect(server.last).toMatchObject({ target: '/x?p=1', headers: { 'x-own': '1' } });
    expectAuthentic(server.last, app);
  });

  it('signs for `signedOrigins` only', async () => {
    const { http } = await compile({ signedOrigins: [server.origin] });
    await firstValueFrom(http.get(`${server.origin}/x`));
    await firstValueFrom(http.get(`${other.origin}/x`));
    expectAuthentic(server.last, app);
    expect(mauthHeaders(other.last)).toEqual([]);
  });

  it('refuses wrong options when the application starts', async () => {
    await expect(compile({ signedOrigins: ['example.com'] })).rejects.toThrow(/http\.signedOrigins/);
  });

  it("leaves the application's HttpService and the global axios alone", async () => {
    const { http, plain } = await compile({ baseURL: server.origin });
    expect(http.axiosRef).not.toBe(plain.axiosRef);
    expect(http.axiosRef).not.toBe(axios);
    await firstValueFrom(plain.get(`${server.origin}/plain`));
    await axios.get(`${server.origin}/global`);
    expect(server.requests.flatMap(mauthHeaders)).toEqual([]);
  });

  it('does not share its settings with another one', async () => {
    const [one, two] = [await compile({ baseURL: server.origin }), await compile({ baseURL: other.origin })];
    await firstValueFrom(one.http.get('/one'));
    await firstValueFrom(two.http.get('/two'));
    expect([server.last.target, other.last.target]).toEqual(['/one', '/two']);
  });

  it('cancels a request that nobody waits for any more', async () => {
    const { http } = await compile({ baseURL: server.origin });
    const closed = new Promise((resolve) => server.answer((response) => response.on('close', resolve)));
    const subscription = http.get('/x').subscribe();
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    subscription.unsubscribe();
    await closed;
  });
});
