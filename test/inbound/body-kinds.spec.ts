import { type INestApplication } from '@nestjs/common';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { BODY_KINDS, flipped } from '../support/body-kinds.js';
import {
  PLATFORM_NAMES,
  startInboundApp,
  type InboundApp,
  type InboundAppOptions,
  type PlatformName,
} from '../support/inbound-app.js';
import { sendBytes, sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';

const EVERYTHING = { bodyLimit: 10_000_000 };

function useBodyParsers(platform: PlatformName, app: INestApplication): void {
  if (platform === 'Express') {
    const express = app as NestExpressApplication;
    express.useBodyParser('raw', { type: 'application/octet-stream', limit: '10mb' });
    express.useBodyParser('text', { type: ['text/*', 'application/xml'] });
    express.useBodyParser('json', { type: 'application/vnd.api+json' });
  } else {
    const fastify = app as NestFastifyApplication;
    for (const type of ['application/octet-stream', 'application/xml', 'application/vnd.api+json']) {
      fastify.useBodyParser(type, EVERYTHING);
    }
  }
}

/** On Fastify, hands bodies of other types to the handler as a stream; Express does so of its own accord. */
function acceptEveryType(platform: PlatformName, app: INestApplication): void {
  if (platform === 'Express') return;
  const instance = (app as NestFastifyApplication).getHttpAdapter().getInstance();
  instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

const SETUPS: readonly (readonly [string, (platform: PlatformName) => InboundAppOptions])[] = [
  ['as it comes', () => ({})],
  ['with rawBody', () => ({ nest: { rawBody: true } })],
  ['without body parsers', () => ({ nest: { bodyParser: false } })],
  ['with useBodyParser', (platform) => ({ prepare: (app) => useBodyParsers(platform, app) })],
  ['with streams for other types', (platform) => ({ prepare: (app) => acceptEveryType(platform, app) })],
];

describe.each(PLATFORM_NAMES)('Bodies on %s', (platform) => {
  describe.each(SETUPS)('%s', (_, setup) => {
    let protectedApp: InboundApp;
    let plainApp: InboundApp;

    beforeAll(async () => {
      protectedApp = await startInboundApp(platform, setup(platform));
      plainApp = await startInboundApp(platform, { ...setup(platform), mauth: false });
    });
    afterAll(async () => {
      await protectedApp.close();
      await plainApp.close();
    });

    const seen = ({ status, text }: HttpAnswer) => ({ status, text });

    it.each(BODY_KINDS)(
      'delivers %s as if MAuth were not there',
      async (_kind, { contentType, gzip, ...kind }) => {
        const headers = {
          ...(contentType && { 'content-type': contentType }),
          ...(gzip && { 'content-encoding': 'gzip' }),
        };
        const expected = await sendBytes({ ...kind, port: plainApp.port, headers });
        // Fastify refuses what it has no parser for; Express hands everything on.
        if (platform === 'Express') expect(expected.status).toBe(200);
        for (const version of ['v1', 'v2'] as const) {
          protectedApp.outcomes.length = 0;
          const answer = await sendSigned({ ...kind, port: protectedApp.port, headers }, version);
          expect(seen(answer)).toEqual(seen(expected));
          if (answer.status === 200) {
            expect(protectedApp.outcomes).toEqual([expect.objectContaining({ authentic: true })]);
          }
        }
      },
    );

    it.each(BODY_KINDS.filter(([, { body }]) => body && body.length > 0))(
      'never delivers %s with a flipped byte',
      async (_kind, { contentType, gzip, body = Buffer.alloc(0), ...kind }) => {
        protectedApp.deliveries.length = 0;
        for (const at of [0, body.length >> 1, body.length - 1]) {
          const changed = flipped(body, at);
          const headers = {
            ...(contentType && { 'content-type': contentType }),
            ...(gzip && { 'content-encoding': 'gzip' }),
          };
          const without = await sendBytes({ ...kind, body: changed, port: plainApp.port, headers });
          const signature = await signatureOf({ ...kind, body }, 'v1,v2');
          const answer = await sendBytes({
            ...kind,
            body: changed,
            port: protectedApp.port,
            headers: { ...headers, ...signature },
          });
          // What a parser refuses does not reach the guard.
          expect(answer.status).toBe(without.status === 200 ? 401 : without.status);
        }
        expect(protectedApp.deliveries).toEqual([]);
      },
    );
  });
});
