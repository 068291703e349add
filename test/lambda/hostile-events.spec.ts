import fc from 'fast-check';
import { MAuthSigner } from '../../lib/core.js';
import { createLambdaAuthenticator } from '../../lib/lambda/index.js';
import { createTestApp } from '../support/test-app.js';
import { GATEWAYS } from './gateway-events.js';

const caller = createTestApp();
const signer = new MAuthSigner({
  appUuid: caller.appUuid,
  privateKey: caller.privateKey,
  signVersions: 'v2',
});
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const mauth = createLambdaAuthenticator({
  appUuid: caller.appUuid,
  findPublicKey: () => caller.publicKey,
  logger: silent,
});

/** Places in an event where something else may be put. */
const PLACES = [
  'version',
  'httpMethod',
  'path',
  'rawPath',
  'rawQueryString',
  'headers',
  'multiValueHeaders',
  'queryStringParameters',
  'multiValueQueryStringParameters',
  'requestContext',
  'requestContext.http',
  'requestContext.http.method',
  'requestContext.path',
  'requestContext.domainName',
  'body',
] as const;

function put(event: Record<string, any>, place: string, value: unknown): void {
  const steps = place.split('.');
  const last = steps.pop() as string;
  let target: any = event;
  for (const step of steps) target = target?.[step];
  if (typeof target === 'object' && target !== null) target[last] = value;
}

describe('events that nobody would send', () => {
  it.each(GATEWAYS.map((gateway) => [gateway.name, gateway] as const))(
    'are no more authentic for the signature of another event on Object.prototype: %s',
    async (_name, gateway) => {
      const target = `${gateway.prefix}/studies?page=1`;
      const headers = await signer.signRequest({ method: 'GET', url: target });
      const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
      const request = { method: 'GET', target, headers: { accept: '*/*' } };
      const event = gateway.event(request) as unknown as Record<string, unknown>;
      delete event.headers;
      delete event.multiValueHeaders;
      const polluted = Object.prototype as Record<string, unknown>;
      try {
        polluted.headers = headers;
        polluted.multiValueHeaders = lists;
        const result = await mauth.authenticateEvent(event);
        expect(result).toMatchObject({ authentic: false, code: 'missing_headers' });
      } finally {
        delete polluted.headers;
        delete polluted.multiValueHeaders;
      }
    },
  );

  it('are never accepted and never make the authenticator throw', async () => {
    const text = fc.string({ unit: 'binary' });
    const nonsense = fc.oneof(fc.anything({ withNullPrototype: true }), text, fc.dictionary(text, text));
    await fc.assert(
      fc.asyncProperty(nonsense, async (event) => {
        const result = await mauth.authenticateEvent(event);
        expect(result.authentic).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(GATEWAYS.map((gateway) => [gateway.name, gateway] as const))(
    'are a 401 or 503 also where only a part of an event of %s is spoilt',
    async (_name, gateway) => {
      const target = `${gateway.prefix}/studies?page=1`;
      const body = Buffer.from('{}');
      const headers = await signer.signRequest({ method: 'POST', url: target, body });
      const request = { method: 'POST', target, body, headers: { ...headers, 'content-type': 'text/plain' } };
      const good = JSON.stringify(gateway.event(request));
      await expect(mauth.authenticateEvent(JSON.parse(good))).resolves.toMatchObject({ authentic: true });
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...PLACES), fc.anything(), async (place, value) => {
          const event = JSON.parse(good) as Record<string, any>;
          put(event, place, value);
          const result = await mauth.authenticateEvent(event);
          if (!result.authentic) expect([401, 503]).toContain(result.status);
          // What the payload does not have may be anything.
          else expect(result.appUuid).toBe(caller.appUuid);
        }),
        { numRuns: 1000 },
      );
    },
  );
});
