import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import {
  All,
  Controller,
  HttpCode,
  HttpException,
  Req,
  UseGuards,
  type CanActivate,
  type DynamicModule,
  type ExecutionContext,
  type INestApplication,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { answerFor } from '../../lib/inbound/answers.js';
import { nodeRequest } from '../../lib/inbound/exchange.js';
import {
  InboundAuthenticator,
  type DoorOptions,
  type RouteLimits,
} from '../../lib/inbound/inbound-authenticator.js';
import { type InboundOutcome } from '../../lib/inbound/inbound-outcome.js';
import { type MAuthOptions, type MAuthSettings } from '../../lib/mauth.options.js';
import { resolveSettings } from '../../lib/mauth.settings.js';
import { RecordingLogger } from './running-app.js';
import { createTestApp, type TestApp } from './test-app.js';

export type PlatformName = 'Express' | 'Fastify';
export const PLATFORM_NAMES: readonly PlatformName[] = ['Express', 'Fastify'];

/** The app that calls, known to every application that is started here. */
export const caller: TestApp = createTestApp();
const service = createTestApp();

export function createAdapter(platform: PlatformName, fastifyOptions: object = {}): AbstractHttpAdapter {
  if (platform === 'Express') return new ExpressAdapter();
  return new FastifyAdapter(fastifyOptions) as unknown as AbstractHttpAdapter;
}

export interface InboundAppOptions {
  /** false = the same application without MAuth. */
  mauth?: boolean;
  options?: Partial<MAuthOptions>;
  door?: Partial<DoorOptions>;
  limits?: RouteLimits;
  nest?: NestApplicationOptions;
  adapter?: AbstractHttpAdapter;
  controllers?: Type<unknown>[];
  /** Runs where `main.ts` would, before the application is initialised. */
  prepare?: (app: INestApplication) => unknown;
}

export interface InboundApp {
  readonly app: INestApplication;
  readonly port: number;
  readonly url: string;
  readonly logger: RecordingLogger;
  /** What handlers were given, in order. */
  readonly deliveries: Delivery[];
  readonly outcomes: InboundOutcome[];
  close(): Promise<void>;
}

/** What reached a handler. */
export interface Delivery {
  readonly method: string;
  readonly url: string;
  /** What the platform made of the body, or undefined. */
  readonly parsed: unknown;
  readonly rawBody?: string;
  /** The bytes that were still to be read, if there were any. */
  readonly streamed?: { readonly length: number; readonly sha256: string };
}

/** Starts an application on a free port, with NestFactory as a `main.ts` would. */
export async function startInboundApp(
  platform: PlatformName,
  { mauth = true, options, door, limits, nest, adapter, controllers = [], prepare }: InboundAppOptions = {},
): Promise<InboundApp> {
  const logger = new RecordingLogger();
  const deliveries: Delivery[] = [];
  const outcomes: InboundOutcome[] = [];
  const complete: MAuthOptions = {
    appUuid: service.appUuid,
    findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
    logAttempts: false,
    logger,
    ...options,
  };
  const settings = resolveSettings(complete);
  const module = moduleOf({ settings, complete, door, limits, mauth, controllers, deliveries, outcomes });
  const app = await NestFactory.create(module, adapter ?? createAdapter(platform), {
    logger: false,
    forceCloseConnections: true,
    ...nest,
  });
  await prepare?.(app);
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  return {
    app,
    url,
    port: Number(new URL(url).port),
    logger,
    deliveries,
    outcomes,
    close: () => app.close(),
  };
}

interface Parts extends Pick<InboundAppOptions, 'door' | 'limits' | 'mauth' | 'controllers'> {
  settings: MAuthSettings;
  complete: MAuthOptions;
  deliveries: Delivery[];
  outcomes: InboundOutcome[];
}

function moduleOf({
  settings,
  complete,
  door,
  limits,
  mauth,
  controllers = [],
  deliveries,
  outcomes,
}: Parts): DynamicModule {
  class AuthenticatingGuard implements CanActivate {
    constructor(private readonly inbound: InboundAuthenticator) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const request: unknown = context.switchToHttp().getRequest();
      const outcome = await this.inbound.authenticate(request, limits);
      outcomes.push(outcome);
      if (outcome.authentic) return true;
      const { status, body } = answerFor(outcome, settings);
      throw new HttpException(body, status);
    }
  }
  Reflect.defineMetadata('design:paramtypes', [InboundAuthenticator], AuthenticatingGuard);

  @Controller()
  class ReceivingController {
    @HttpCode(200)
    @All('receive')
    @UseGuards(...(mauth ? [AuthenticatingGuard] : []))
    async receive(@Req() request: never): Promise<Delivery> {
      const delivery = await deliveryOf(request);
      deliveries.push(delivery);
      return delivery;
    }

    @HttpCode(200)
    @All('open')
    async open(@Req() request: never): Promise<Delivery> {
      return deliveryOf(request);
    }

    @HttpCode(200)
    @All('ignore')
    @UseGuards(...(mauth ? [AuthenticatingGuard] : []))
    ignore(): string {
      return 'The body is of no interest.';
    }
  }

  class InboundTestModule {}
  const authenticator = {
    provide: InboundAuthenticator,
    inject: [HttpAdapterHost],
    useFactory: (host: HttpAdapterHost) =>
      new InboundAuthenticator(host, settings, new MAuthAuthenticator(complete), {
        protect: 'decorated',
        exempt: [],
        ...door,
      }),
  };
  return {
    module: InboundTestModule,
    controllers: [ReceivingController, ...controllers],
    providers: mauth ? [authenticator] : [],
    exports: mauth ? [authenticator] : [],
  };
}

/** Describes what a handler gets, reading what is still to be read. */
export async function deliveryOf(request: {
  method: string;
  url: string;
  body?: unknown;
  rawBody?: Buffer;
}): Promise<Delivery> {
  const raw = nodeRequest(request);
  const bytes = raw.readableEnded ? undefined : await readAll(raw);
  const { body } = request;
  return {
    method: request.method,
    url: request.url,
    parsed:
      body === (raw as unknown)
        ? '(the stream)'
        : Buffer.isBuffer(body)
          ? { buffer: sha256(body) }
          : (body ?? null),
    ...(request.rawBody && { rawBody: sha256(request.rawBody) }),
    ...(bytes && bytes.length > 0 && { streamed: { length: bytes.length, sha256: sha256(bytes) } }),
  };
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
