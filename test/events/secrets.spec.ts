import fc from 'fast-check';
import { channel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { Controller, Get } from '@nestjs/common';
import { MAuthAuthenticator, MAuthSigner } from '../../lib/core.js';
import { MAuthModule } from '../../lib/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { caller, service } from '../support/inbound-app.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { sendSigned } from '../support/signed-http.js';

const SECRET = 'Zq8secret';

const CHANNELS = [
  'nestjs-mauth:authenticate',
  'nestjs-mauth:sign',
  ...['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(
    (phase) => `tracing:nestjs-mauth:key_fetch:${phase}`,
  ),
];

@Controller()
class StudiesController {
  @Get('studies')
  all() {}
}

/** All that can be reached: JSON would leave out errors, their causes and keys. */
const shown = (value: unknown) =>
  inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null });

describe.each(PLATFORMS)('On the wire, on %s', (_, createAdapter) => {
  it.each(['routes', 'everything'] as const)(
    'what stands behind a raw # reaches neither events nor log (%s)',
    async (protect) => {
      const observer = new RecordedEvents();
      const logger = new RecordingLogger();
      const { appUuid, privateKey } = service;
      const findPublicKey = () => caller.publicKey;
      const mauth = { appUuid, privateKey, findPublicKey, protect, logger, observers: [observer] };
      const { url, close } = await startApp(createAdapter, {
        imports: [MAuthModule.forRoot(mauth)],
        controllers: [StudiesController],
      });
      try {
        const port = Number(new URL(url).port);
        for (const path of [`/studies#${SECRET}`, `/studies?page=1#${SECRET}`]) {
          expect((await sendSigned({ port, method: 'GET', path })).status).toBe(401);
        }
        expect(observer.decisions.map((event) => event.path)).toEqual(['/studies', '/studies']);
        expect(shown([observer.decisions, logger.lines])).not.toContain(SECRET);
      } finally {
        await close();
      }
    },
  );
});

describe('Events', () => {
  it('never hold a signature, a body, a query or a key', async () => {
    const observer = new RecordedEvents();
    const published: unknown[] = [];
    const listen = (event: unknown) => void published.push(event);
    for (const name of CHANNELS) channel(name).subscribe(listen);
    const observers = [observer];
    const { appUuid, privateKey } = service;
    const authenticator = new MAuthAuthenticator({
      appUuid,
      privateKey,
      observers,
      logger: new RecordingLogger(),
      findPublicKey: () => caller.publicKey,
    });
    const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, observers });
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const tampering = fc.constantFrom('none', 'body', 'query', 'authentication', 'time', 'method', 'headers');
    await fc.assert(
      fc.asyncProperty(
        fc.webPath(),
        text,
        text,
        fc.constantFrom('v1', 'v2', 'v1,v2'),
        tampering,
        fc.constantFrom('?', '#'),
        async (path, query, body, signVersions, tamper, mark) => {
          const url = `/${path.replace(/^\/+/, '')}${mark}token=${SECRET}${encodeURIComponent(query)}`;
          const request = { method: 'POST', url, body: `${SECRET}${body}` };
          const headers = await signer.signRequest(request, { signVersions });
          const signatures = Object.values(headers).flatMap((value) => /:([^;]+);?$/.exec(value)?.[1] ?? []);
          const changed: Record<string, () => object> = {
            none: () => ({}),
            body: () => ({ body: `${SECRET}!` }),
            query: () => ({ url: `${url}&more=${SECRET}` }),
            authentication: () => ({
              headers: { ...headers, 'mcc-authentication': `${SECRET}${signatures[0]}` },
            }),
            time: () => ({ headers: { ...headers, 'mcc-time': SECRET, 'x-mws-time': SECRET } }),
            method: () => ({ method: `${SECRET}\n` }),
            headers: () => ({ headers: { authorization: SECRET, ...headers, 'MCC-Authentication': SECRET } }),
          };
          await authenticator.authenticateRequest({ ...request, headers, ...changed[tamper]?.() });
          const { decisions, keyFetches } = observer;
          const told = shown([decisions, observer.signatures, keyFetches, published]);
          for (const hidden of [SECRET, ...signatures, 'PRIVATE KEY', 'PUBLIC KEY', 'KeyObject']) {
            expect(told).not.toContain(hidden);
          }
          expect(decisions.length).toBe(1);
          observer.forget();
          published.length = 0;
        },
      ),
      { numRuns: 300 },
    );
    for (const name of CHANNELS) channel(name).unsubscribe(listen);
  });

  it.each([
    ['`findPublicKey`', { findPublicKey: () => caller.publicKey }],
    [
      '`findPublicKey` that fails',
      { findPublicKey: () => Promise.reject(new Error(`postgres://${SECRET}@db`)) },
    ],
    ['the MAuth service', {}],
    ['a MAuth service that is away', { mauthUrl: 'http://127.0.0.1:1' }],
  ])('never hold a key, an answer or a foreign error while the key comes from %s', async (_, source) => {
    const mauth = await FakeMAuthService.start();
    for (const app of [caller, service]) mauth.register(app.appUuid, app.publicKeyPem);
    const published: unknown[] = [];
    // As it is when it is published: what is added later is seen in the later phases.
    const listen = (event: unknown) => void published.push(shown(event));
    for (const name of CHANNELS) channel(name).subscribe(listen);
    try {
      const observer = new RecordedEvents();
      const authenticator = new MAuthAuthenticator({
        appUuid: service.appUuid,
        privateKey: service.privateKey,
        mauthUrl: mauth.url,
        observers: [observer],
        logger: new RecordingLogger(),
        ...source,
      });
      const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey });
      const headers = await signer.signRequest({ method: 'GET', url: '/' });
      await authenticator.authenticateRequest({ method: 'GET', url: '/', headers, body: null });
      expect(observer.keyFetches.length).toBeGreaterThan(0);
      const told = shown([observer.keyFetches, published]);
      expect(published.length).toBeGreaterThan(4);
      for (const hidden of [
        SECRET,
        'PUBLIC KEY',
        'KeyObject',
        'ServiceAnswer',
        'security_token',
        'ECONNREFUSED',
      ]) {
        expect(told).not.toContain(hidden);
      }
    } finally {
      for (const name of CHANNELS) channel(name).unsubscribe(listen);
      await mauth.stop();
    }
  });
});
