import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { startInboundApp, type InboundAppOptions, type PlatformName, type ServedApp } from './inbound-app.js';
import { startStandaloneApp, type StandaloneOptions } from './standalone-app.js';

/** One of the ways in which an application can be protected. */
export interface ApplicationKind {
  /** Whether body parsers are done before anybody asks who signed the request. */
  readonly parsesFirst: boolean;
  /** Whether requests without a route are refused, too. */
  readonly refusesEverything: boolean;
  start(options?: StandaloneOptions): Promise<ServedApp>;
}

/** All of them, by name: what holds for one holds for all. */
export const APPLICATIONS: readonly (readonly [string, ApplicationKind])[] = [
  ['a guard on Express', nest('Express', { gate: { protect: 'routes' } }, { parsesFirst: true })],
  ['a guard on Fastify', nest('Fastify', { gate: { protect: 'routes' } }, { parsesFirst: true })],
  ['a gate on Express', nest('Express', { gate: { protect: 'everything' } })],
  ['a gate on Fastify', nest('Fastify', { gate: { protect: 'everything' } })],
  [
    'MAuthMiddleware on Express',
    nest('Express', { asks: 'middleware' }, { parsesFirst: true, refusesEverything: true }),
  ],
  ['MAuthMiddleware on Fastify', nest('Fastify', { asks: 'middleware' })],
  ['mauthMiddleware on plain Express', standalone('Express')],
  ['mauthPlugin on plain Fastify', standalone('Fastify')],
  ['mauthMiddleware on a bare server', standalone('node:http')],
];

function standalone(server: 'Express' | 'Fastify' | 'node:http'): ApplicationKind {
  return {
    parsesFirst: false,
    refusesEverything: true,
    start: (options) => startStandaloneApp(server, options),
  };
}

function nest(
  platform: PlatformName,
  fixed: InboundAppOptions,
  traits: Partial<ApplicationKind> = {},
): ApplicationKind {
  const { parsesFirst = false, refusesEverything = !parsesFirst } = traits;
  const start = ({ exempt = ['/app_status'], takesEveryType, look, ...options }: StandaloneOptions = {}) =>
    startInboundApp(platform, {
      ...fixed,
      ...options,
      gate: { ...fixed.gate, exempt },
      prepare: (app) => {
        if (takesEveryType) takeEveryType(app);
        if (look) (app.getHttpServer() as Server).prependListener('request', look);
      },
    });
  return { parsesFirst, refusesEverything, start };
}

/** On Fastify, hands bodies of other types to the handler as a stream; Express does so of its own accord. */
export function takeEveryType(app: INestApplication): void {
  if (app.getHttpAdapter().getType() !== 'fastify') return;
  const instance = (app as NestFastifyApplication).getHttpAdapter().getInstance();
  instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}
