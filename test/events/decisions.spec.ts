import { channel } from 'node:diagnostics_channel';
import { type IncomingMessage } from 'node:http';
import { Controller, Get, Module } from '@nestjs/common';
import axios from 'axios';
import { createLambdaAuthenticator } from '../../lib/lambda/index.js';
import {
  MAuthAuthenticator,
  MAuthModule,
  MAuthSigner,
  RequiresMAuth,
  signAxios,
  type MAuthAuthenticatedEvent,
  type MAuthOptions,
} from '../../lib/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { APPLICATIONS, type ApplicationKind } from '../support/applications.js';
import { Caller, send } from '../support/caller.js';
import { caller, service, type ServedApp } from '../support/inbound-app.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

const BODY = Buffer.from('{"name":"Hand-washing"}');
const JSON_TYPE = { 'content-type': 'application/json' };
const stranger = createTestApp();
const APP = { appUuid: caller.appUuid };

interface Decision {
  readonly options?: Partial<MAuthOptions>;
  /** Answers of the messages of which the last is looked at. */
  readonly send: (app: ServedApp) => Promise<HttpAnswer>;
  readonly status: number;
  readonly event: Partial<MAuthAuthenticatedEvent>;
}

const outdated = () => Math.floor(Date.now() / 1000) - 3600;
const v2By = (app: typeof caller, signed: { body?: Buffer; path?: string }, time?: number) =>
  new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v2' }).signRequest(
    { method: 'POST', url: '/receive', ...signed },
    { time },
  );

/** What a store may do instead of an answer. */
const FAULTS = {
  throws: () => {
    throw new Error('redis://:secret@redis is down');
  },
  rejects: () => Promise.reject(new Error('redis://:secret@redis is down')),
  'never answers': () => new Promise(() => undefined),
  'gives nonsense': () => 'OK',
};

/** Each way in which a request can be decided about. */
const DECISIONS: readonly (readonly [string, Decision])[] = [
  [
    'a V2 signature',
    {
      send: ({ port }) => sendSigned({ port, body: BODY, headers: JSON_TYPE }, 'v2'),
      status: 200,
      event: { outcome: 'authentic', ...APP, protocolVersion: 2, usedFallback: false },
    },
  ],
  [
    'a V1 signature',
    {
      send: ({ port }) => sendSigned({ port, method: 'GET' }, 'v1'),
      status: 200,
      event: { outcome: 'authentic', ...APP, protocolVersion: 1, usedFallback: false },
    },
  ],
  [
    'a V1 signature behind a V2 signature that does not match',
    {
      send: async ({ port }) => {
        const v2 = await v2By(caller, { body: Buffer.from('another') });
        const v1 = await signatureOf({ body: BODY }, 'v1');
        return sendBytes({ port, body: BODY, headers: { ...JSON_TYPE, ...v2, ...v1 } });
      },
      status: 200,
      event: { outcome: 'authentic', ...APP, protocolVersion: 1, usedFallback: true },
    },
  ],
  [
    'no signature',
    {
      send: ({ port }) => sendBytes({ port, body: BODY, headers: JSON_TYPE }),
      status: 401,
      event: { outcome: 'inauthentic', code: 'missing_headers' },
    },
  ],
  [
    'a signature over another body',
    {
      send: async ({ port }) =>
        sendBytes({
          port,
          body: BODY,
          headers: { ...JSON_TYPE, ...(await v2By(caller, { body: Buffer.from('{}') })) },
        }),
      status: 401,
      event: {
        outcome: 'inauthentic',
        code: 'signature_mismatch',
        detail: 'other_message',
        ...APP,
        protocolVersion: 2,
      },
    },
  ],
  [
    'a V1 signature over another body',
    {
      send: async ({ port }) =>
        sendBytes({
          port,
          body: BODY,
          headers: { ...JSON_TYPE, ...(await signatureOf({ body: Buffer.from('{}') }, 'v1')) },
        }),
      status: 401,
      event: { code: 'signature_mismatch', detail: 'other_message', ...APP, protocolVersion: 1 },
    },
  ],
  [
    'a signature with another key',
    {
      send: async ({ port }) =>
        sendBytes({
          port,
          body: BODY,
          headers: {
            ...JSON_TYPE,
            ...(await v2By({ ...stranger, appUuid: caller.appUuid }, { body: BODY })),
          },
        }),
      status: 401,
      event: { outcome: 'inauthentic', code: 'signature_mismatch', detail: 'other_key', ...APP },
    },
  ],
  [
    'a signature of an hour ago',
    {
      send: async ({ port }) =>
        sendBytes({
          port,
          body: BODY,
          headers: { ...JSON_TYPE, ...(await v2By(caller, { body: BODY }, outdated())) },
        }),
      status: 401,
      event: { outcome: 'inauthentic', code: 'time_out_of_range', ...APP },
    },
  ],
  [
    'an app that nobody knows',
    {
      send: async ({ port }) =>
        sendBytes({ port, body: BODY, headers: { ...JSON_TYPE, ...(await v2By(stranger, { body: BODY })) } }),
      status: 401,
      event: { outcome: 'inauthentic', code: 'unknown_app', appUuid: stranger.appUuid },
    },
  ],
  [
    'an ambiguous path',
    {
      send: ({ port }) => sendSigned({ port, method: 'GET', path: '/receive?a=%41%zz' }),
      status: 401,
      event: { outcome: 'inauthentic', code: 'ambiguous_path' },
    },
  ],
  [
    'a key that cannot be found out',
    {
      options: { findPublicKey: () => Promise.reject(new Error('down')) },
      send: ({ port }) => sendSigned({ port, body: BODY, headers: JSON_TYPE }),
      status: 503,
      event: { outcome: 'undecided', code: 'key_lookup_failed', ...APP, protocolVersion: 2 },
    },
  ],
  [
    'a request that comes a second time',
    {
      options: { replayProtection: true, v2OnlyAuthenticate: true },
      send: async ({ port }) => {
        const headers = { ...JSON_TYPE, ...(await v2By(caller, { body: BODY })) };
        await sendBytes({ port, body: BODY, headers });
        return sendBytes({ port, body: BODY, headers });
      },
      status: 401,
      event: { outcome: 'inauthentic', code: 'replayed', ...APP },
    },
  ],
  ...(['throws', 'rejects', 'never answers', 'gives nonsense'] as const).map(
    (way): readonly [string, Decision] => [
      `a store of replays that ${way}`,
      {
        options: {
          replayProtection: { store: { remember: FAULTS[way] as never } },
          v2OnlyAuthenticate: true,
        },
        send: ({ port }) => sendSigned({ port, body: BODY, headers: JSON_TYPE }, 'v2'),
        status: 503,
        event: { outcome: 'undecided', code: 'replay_store_unavailable', ...APP, protocolVersion: 2 },
      },
    ],
  ),
  [
    'a body that is too large',
    {
      options: { body: { maxHeldBytes: 10 } },
      send: ({ port }) => sendSigned({ port, body: Buffer.alloc(100_000, 'x') }),
      status: 413,
      event: { outcome: 'undecided', code: 'body_too_large', ...APP },
    },
  ],
];

describe.each(APPLICATIONS)('%s', (_, kind) => {
  it.each(DECISIONS)('tells once of %s', async (_name, { options, send: sendIt, status, event }) => {
    const observer = new RecordedEvents();
    const published: unknown[] = [];
    const listen = (message: unknown) => void published.push(message);
    const decided = channel('nestjs-mauth:authenticate');
    const app = await kind.start({ options: { ...options, observers: [observer] }, takesEveryType: true });
    decided.subscribe(listen);
    try {
      expect((await sendIt(app)).status).toBe(status);
    } finally {
      decided.unsubscribe(listen);
      await app.close();
    }
    const last = observer.decisions.at(-1);
    expect(last).toMatchObject({ source: 'request', usedFallback: false, ...event });
    expect(last?.durationMs).toBeGreaterThanOrEqual(0);
    expect(last?.path).toMatch(/^\/receive/);
    expect(last?.method).toMatch(/^(GET|POST)$/);
    expect(last?.detail).toBe(event.detail);
    expect(observer.decisions).toHaveLength(event.code === 'replayed' ? 2 : 1);
    expect(published).toEqual(observer.decisions);
    expect(Object.isFrozen(last)).toBe(true);
  });

  it('tells what the MAuth service decides', async () => {
    const mauth = await FakeMAuthService.start();
    const observer = new RecordedEvents();
    try {
      mauth.register(caller.appUuid, caller.publicKeyPem);
      mauth.register(service.appUuid, service.publicKeyPem);
      const remote = { mode: 'remote', mauthUrl: mauth.url, findPublicKey: undefined } as const;
      const app = await kind.start({ options: { ...remote, observers: [observer] } });
      try {
        await sendSigned({ port: app.port, body: BODY, headers: JSON_TYPE });
        await sendBytes({
          port: app.port,
          body: BODY,
          headers: { ...JSON_TYPE, ...(await v2By(caller, { body: Buffer.from('{}') })) },
        });
        mauth.fail(503);
        await sendSigned({ port: app.port, body: BODY, headers: JSON_TYPE });
      } finally {
        await app.close();
      }
    } finally {
      await mauth.stop();
    }
    expect(observer.decisions).toMatchObject([
      { outcome: 'authentic', ...APP },
      { outcome: 'inauthentic', code: 'signature_mismatch', ...APP },
      { outcome: 'undecided', code: 'service_unavailable', ...APP },
    ]);
    expect(observer.decisions.map(({ detail }) => detail)).toEqual([undefined, undefined, undefined]);
  });
});

describe('Two applications in one process', () => {
  it('tell their own observers alone', async () => {
    const observers = [new RecordedEvents(), new RecordedEvents()];
    const apps: ServedApp[] = [];
    try {
      const kinds = [APPLICATIONS[0]?.[1], APPLICATIONS[7]?.[1]] as ApplicationKind[];
      for (const [index, kind] of kinds.entries())
        apps.push(await kind.start({ options: { observers: [observers[index]] } }));
      const [first, second] = apps as [ServedApp, ServedApp];
      await sendSigned({ port: first.port, body: BODY, headers: JSON_TYPE });
      await sendBytes({ port: second.port, body: BODY, headers: JSON_TYPE });
    } finally {
      for (const app of apps) await app.close();
    }
    expect(observers.map(({ decisions }) => decisions.map(({ outcome }) => outcome))).toEqual([
      ['authentic'],
      ['inauthentic'],
    ]);
  });
});

describe.each(PLATFORMS)('A guard on %s', (_, adapter) => {
  @Controller()
  class Studies {
    @Get('mine')
    @RequiresMAuth({ apps: ['service'] })
    mine(): string {
      return 'mine';
    }

    @Get('all')
    @RequiresMAuth()
    all(): string {
      return 'all';
    }
  }

  it.each(['decorated', 'routes', 'everything'] as const)(
    'tells who may not call a handler, after who called (%s)',
    async (protect) => {
      const observer = new RecordedEvents();
      const logger = new RecordingLogger();
      const { appUuid, privateKey } = service;
      const findPublicKey = () => caller.publicKey;
      const options = { appUuid, privateKey, findPublicKey, apps: { service: appUuid }, logger };
      const mauth = MAuthModule.forRoot({ ...options, protect, observers: [observer], logAttempts: false });
      const { url, close } = await startApp(adapter, { imports: [mauth], controllers: [Studies] });
      try {
        expect((await new Caller(caller).signed(`${url}/mine?secret=1`)).status).toBe(403);
        expect((await new Caller(caller).signed(`${url}/all?secret=1`)).status).toBe(200);
        expect((await send(`${url}/all`)).status).toBe(401);
      } finally {
        await close();
      }
      const request = { source: 'request', method: 'GET', usedFallback: false } as const;
      const durationMs = expect.any(Number);
      const mine = { ...request, ...APP, path: '/mine', protocolVersion: 2, durationMs };
      expect(observer.decisions).toEqual([
        { ...mine, outcome: 'authentic' },
        { ...mine, outcome: 'forbidden', code: 'app_not_allowed', handler: 'Studies.mine' },
        { ...mine, outcome: 'authentic', path: '/all' },
        { ...request, outcome: 'inauthentic', code: 'missing_headers', path: '/all', durationMs },
      ]);
      expect(logger.lines.map(({ message }) => message).filter((line) => line.includes('(app_not'))).toEqual([
        `MAuth: GET /mine from app ${caller.appUuid} is not allowed at Studies.mine (app_not_allowed)`,
      ]);
    },
  );

  it('tells of a forbidden request as it told of the authentic one', async () => {
    const observer = new RecordedEvents();
    const { appUuid, privateKey } = service;
    const mauth = MAuthModule.forRoot({
      appUuid,
      privateKey,
      findPublicKey: () => caller.publicKey,
      apps: { service: appUuid },
      logger: new RecordingLogger(),
      // As behind a proxy that has cut off a prefix.
      requestTarget: (request) => `/outer${(request as IncomingMessage).url}`,
      observers: [observer],
    });
    const { url, close } = await startApp(adapter, { imports: [mauth], controllers: [Studies] });
    try {
      const signed = { method: 'GET', path: '/outer/mine' };
      const v2 = await signatureOf({ ...signed, path: '/outer/other' });
      const headers = { ...v2, ...(await signatureOf(signed, 'v1')) };
      expect((await send(`${url}/mine`, { headers })).status).toBe(403);
    } finally {
      await close();
    }
    const [authentic, forbidden] = observer.decisions;
    const { appUuid: by, path, usedFallback, protocolVersion } = authentic ?? {};
    expect(authentic).toMatchObject({ outcome: 'authentic', path: '/outer/mine', usedFallback: true });
    expect(forbidden).toMatchObject({
      outcome: 'forbidden',
      appUuid: by,
      path,
      usedFallback,
      protocolVersion,
    });
  });

  it('tells once, however many guards ask', async () => {
    @Controller()
    @RequiresMAuth()
    class Twice {
      @Get('twice')
      @RequiresMAuth()
      twice(): string {
        return 'twice';
      }
    }
    @Module({ controllers: [Twice] })
    class Feature {}
    const observer = new RecordedEvents();
    const { appUuid, privateKey } = service;
    const mauth = MAuthModule.forRoot({
      appUuid,
      privateKey,
      findPublicKey: () => caller.publicKey,
      protect: 'everything',
      logger: new RecordingLogger(),
      observers: [observer],
    });
    const { url, close } = await startApp(adapter, { imports: [mauth, Feature] });
    try {
      await new Caller(caller).signed(`${url}/twice`);
      await new Caller(caller).badlySigned(`${url}/twice`);
    } finally {
      await close();
    }
    expect(observer.decisions.map(({ outcome }) => outcome)).toEqual(['authentic', 'inauthentic']);
  });
});

describe('Lambda', () => {
  it('tells of each event, also of one that cannot be read', async () => {
    const observer = new RecordedEvents();
    const { appUuid, privateKey } = service;
    const mauth = createLambdaAuthenticator({
      appUuid,
      privateKey,
      findPublicKey: () => caller.publicKey,
      observers: [observer],
      logger: new RecordingLogger(),
    });
    const headers = await signatureOf({ method: 'GET', path: '/studies' });
    const event = {
      version: '2.0',
      rawPath: '/studies',
      rawQueryString: '',
      headers,
      requestContext: { http: { method: 'GET', path: '/studies' } },
      isBase64Encoded: false,
    };
    await mauth.authenticateEvent(event);
    await mauth.authenticateEvent({ ...event, headers: {} });
    await mauth.authenticateEvent({ Records: [] });
    const request = { source: 'request', method: 'GET', path: '/studies' } as const;
    expect(observer.decisions).toMatchObject([
      { ...request, outcome: 'authentic', ...APP },
      { ...request, outcome: 'inauthentic', code: 'missing_headers' },
      { source: 'request', outcome: 'inauthentic', code: 'malformed_request' },
    ]);
    expect(observer.decisions).toHaveLength(3);
  });
});

describe('Responses', () => {
  it('are told of by status, also when another app has signed them', async () => {
    const observer = new RecordedEvents();
    const { appUuid, privateKey } = service;
    const [logger, findPublicKey] = [new RecordingLogger(), () => caller.publicKey];
    const authenticator = new MAuthAuthenticator({
      appUuid,
      privateKey,
      findPublicKey,
      logger,
      observers: [observer],
    });
    const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey });
    const signature = await signer.signResponse({ status: 200, body: 'yes' });
    const answer = { status: 200, headers: signature, body: Buffer.from('yes') };
    await authenticator.authenticateResponse(answer);
    await authenticator.authenticateResponse({ ...answer, body: Buffer.from('no') });
    await authenticator.authenticateResponse({ ...answer, status: 0 });

    const http = axios.create({
      adapter: (config) =>
        Promise.resolve({ status: 200, statusText: '', headers: signature, data: 'yes', config }),
    });
    signAxios(http, signer, { authenticator, authenticateResponses: true });
    await expect(http.get('http://127.0.0.1/')).rejects.toMatchObject({ code: 'body_unavailable' });
    const response = { source: 'response', status: 200 } as const;
    expect(observer.decisions).toMatchObject([
      { ...response, outcome: 'authentic', ...APP, protocolVersion: 1 },
      { ...response, outcome: 'inauthentic', code: 'signature_mismatch', detail: 'other_message', ...APP },
      { source: 'response', outcome: 'inauthentic', code: 'malformed_request' },
      { ...response, outcome: 'undecided', code: 'body_unavailable' },
    ]);
  });
});
