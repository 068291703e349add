import fc from 'fast-check';
import { channel } from 'node:diagnostics_channel';
import { MAuthAuthenticator, MAuthSigner } from '../../lib/core.js';
import { caller, service } from '../support/inbound-app.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { RecordingLogger } from '../support/running-app.js';

const SECRET = 'Zq8secret';

describe('Events', () => {
  it('never hold a signature, a body, a query or a key', async () => {
    const observer = new RecordedEvents();
    const published: unknown[] = [];
    const listen = (event: unknown) => void published.push(event);
    const names = [
      'nestjs-mauth:authenticate',
      'nestjs-mauth:sign',
      'tracing:nestjs-mauth:key_fetch:asyncEnd',
    ];
    for (const name of names) channel(name).subscribe(listen);
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
        async (path, query, body, signVersions, tamper) => {
          const url = `/${path.replace(/^\/+/, '')}?token=${SECRET}${encodeURIComponent(query)}`;
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
          const told = JSON.stringify([decisions, observer.signatures, keyFetches, published]);
          for (const hidden of [SECRET, ...signatures, 'PRIVATE KEY', 'PUBLIC KEY']) {
            expect(told).not.toContain(hidden);
          }
          expect(decisions.length).toBe(1);
          observer.forget();
          published.length = 0;
        },
      ),
      { numRuns: 300 },
    );
    for (const name of names) channel(name).unsubscribe(listen);
  });
});
