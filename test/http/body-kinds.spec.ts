import { type INestApplication } from '@nestjs/common';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { APPLICATIONS } from '../support/applications.js';
import { BODY_KINDS, flipped } from '../support/body-kinds.js';
import {
  caller,
  PLATFORM_NAMES,
  startInboundApp,
  type InboundAppOptions,
  type PlatformName,
  type ServedApp,
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

/** An application with MAuth, and the same without. */
interface Setup {
  readonly parsesFirst: boolean;
  start(which: { mauth: boolean }): Promise<ServedApp>;
}

const PARSERS: readonly (readonly [string, (platform: PlatformName) => InboundAppOptions])[] = [
  ['with rawBody', () => ({ nest: { rawBody: true } })],
  ['without body parsers', () => ({ nest: { bodyParser: false } })],
  ['with useBodyParser', (platform) => ({ prepare: (app) => useBodyParsers(platform, app) })],
];

const SETUPS: readonly (readonly [string, Setup])[] = [
  ...APPLICATIONS.flatMap(([name, { parsesFirst, start }]): [string, Setup][] => [
    [name, { parsesFirst, start: (which) => start(which) }],
    [
      `${name}, with streams for other types`,
      { parsesFirst, start: (which) => start({ ...which, takesEveryType: true }) },
    ],
  ]),
  ...PLATFORM_NAMES.flatMap((platform) =>
    PARSERS.map(([how, options]): [string, Setup] => [
      `a guard on ${platform}, ${how}`,
      { parsesFirst: true, start: (which) => startInboundApp(platform, { ...options(platform), ...which }) },
    ]),
  ),
].filter(([name]) => name.includes('Fastify') || !name.endsWith('other types'));

describe.each(SETUPS)('Bodies for %s', (name, { parsesFirst, start }) => {
  let protectedApp: ServedApp;
  let plainApp: ServedApp;

  beforeAll(async () => {
    protectedApp = await start({ mauth: true });
    plainApp = await start({ mauth: false });
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
      // Fastify refuses what it has no parser for; others hand everything on.
      if (!name.includes('Fastify')) expect(expected.status).toBe(200);
      for (const protocolVersion of [1, 2] as const) {
        protectedApp.forget();
        const request = { ...kind, port: protectedApp.port, headers };
        const answer = await sendSigned(request, `v${protocolVersion}`);
        expect(seen(answer)).toEqual(seen(expected));
        if (answer.status === 200) {
          expect(protectedApp.callers).toEqual([{ appUuid: caller.appUuid, protocolVersion }]);
        }
      }
    },
  );

  it.each(BODY_KINDS.filter(([, { body }]) => body && body.length > 0))(
    'never delivers %s with a flipped byte',
    async (_kind, { contentType, gzip, body = Buffer.alloc(0), ...kind }) => {
      protectedApp.forget();
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
        // What a parser refuses does not reach whoever asks after it.
        expect(answer.status).toBe(without.status === 200 || !parsesFirst ? 401 : without.status);
      }
      expect(protectedApp.deliveries).toEqual([]);
    },
  );
});
