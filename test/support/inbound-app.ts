import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import {
  All,
  Controller,
  HttpCode,
  HttpException,
  Inject,
  Injectable,
  Req,
  Res,
  UseGuards,
  type CanActivate,
  type DynamicModule,
  type ExecutionContext,
  type INestApplication,
  type MiddlewareConsumer,
  type NestApplicationOptions,
  type NestModule,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type MAuthIdentity } from '../../lib/authentication/identity.js';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { answerFor, type InboundOutcome } from '../../lib/http/refusals.js';
import { nodeRequest } from '../../lib/http/request-pair.js';
import { ExemptPaths } from '../../lib/http/gate.js';
import { getMAuthIdentity } from '../../lib/http/identity.js';
import { InboundAuthenticator, type GateOptions } from '../../lib/nest/inbound-authenticator.js';
import { MAUTH_INBOUND_AUTHENTICATOR } from '../../lib/nest/tokens.js';
import { MAuthMiddleware } from '../../lib/nest/mauth.middleware.js';
import { nestCoreProvider } from '../../lib/nest/nest-core.js';
import { type RouteLimits } from '../../lib/http/incoming-requests.js';
import { type MAuthOptions, type MAuthSettings } from '../../lib/config/options.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { RecordingLogger } from './running-app.js';
import { createTestApp, type TestApp } from './test-app.js';

export type PlatformName = 'Express' | 'Fastify';
export const PLATFORM_NAMES: readonly PlatformName[] = ['Express', 'Fastify'];

/** The app that calls, known to every application that is started here. */
export const caller: TestApp = createTestApp();
/** The app that is called. */
export const service: TestApp = createTestApp();

export function createAdapter(platform: PlatformName, fastifyOptions: object = {}): AbstractHttpAdapter {
  if (platform === 'Express') return new ExpressAdapter();
  return new FastifyAdapter(fastifyOptions);
}

export interface InboundAppOptions {
  /** false = the same application without MAuth. */
  mauth?: boolean;
  options?: Partial<MAuthOptions>;
  gate?: Partial<Pick<GateOptions, 'protect'> & { exempt: readonly string[] }>;
  limits?: RouteLimits;
  /** Who asks: a guard at the handlers, or `MAuthMiddleware` in front of all of them. */
  asks?: 'guard' | 'middleware';
  nest?: NestApplicationOptions;
  adapter?: AbstractHttpAdapter;
  controllers?: Type<unknown>[];
  /** Runs where `main.ts` would, before the application is initialised. */
  prepare?: (app: INestApplication) => unknown;
}

/** What happened in an application. */
export class Witness {
  readonly logger = new RecordingLogger();
  /** What protected handlers were given, in order. */
  readonly deliveries: Delivery[] = [];
  /** By whom the deliveries were signed. */
  readonly callers: (MAuthIdentity | undefined)[] = [];
  /** What the guard was told, in order. */
  readonly outcomes: InboundOutcome[] = [];
  settings!: MAuthSettings;
  limits: RouteLimits | undefined;
  asks: 'guard' | 'middleware' = 'guard';
  inbound: InboundAuthenticator | undefined;

  /** Why requests were refused, as the log tells. */
  codes(): (string | undefined)[] {
    const refusals = this.logger.lines.filter(({ level }) => level === 'warn');
    return refusals.map(({ message }) => /\((\w+)(?:: \w+)?\)$/.exec(message)?.[1]);
  }

  /** A handler runs. */
  async deliver(request: Parameters<typeof deliveryOf>[0]): Promise<Delivery> {
    this.callers.push(getMAuthIdentity(request));
    const delivery = await deliveryOf(request);
    this.deliveries.push(delivery);
    return delivery;
  }

  forget(): void {
    for (const list of [this.deliveries, this.callers, this.outcomes, this.logger.lines as unknown[]]) {
      list.length = 0;
    }
  }
}

/** An application that listens. */
export interface ServedApp extends Witness {
  readonly port: number;
  close(): Promise<void>;
}

export interface InboundApp extends ServedApp {
  readonly app: INestApplication;
}

/** Options of an application that knows the caller, and writes down what it does. */
export function optionsFor(witness: Witness, options?: Partial<MAuthOptions>): MAuthOptions {
  return {
    appUuid: service.appUuid,
    privateKey: service.privateKey,
    findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
    logAttempts: false,
    logger: witness.logger,
    ...options,
  };
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

/** A guard in miniature: asks, and refuses as it is told. */
@Injectable()
export class AuthenticatingGuard implements CanActivate {
  constructor(@Inject(Witness) private readonly witness: Witness) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { asks, inbound, limits, outcomes, settings } = this.witness;
    if (!inbound || asks === 'middleware') return true;
    const outcome = await inbound.requests.authenticate(context.switchToHttp().getRequest(), limits);
    outcomes.push(outcome);
    if (outcome.authentic) return true;
    const { status, body } = answerFor(outcome, settings);
    throw new HttpException(body, status);
  }
}

@Controller()
class ReceivingController {
  constructor(@Inject(Witness) private readonly witness: Witness) {}

  @HttpCode(200)
  @All('receive')
  @UseGuards(AuthenticatingGuard)
  async receive(@Req() request: never): Promise<Delivery> {
    return this.witness.deliver(request);
  }

  @HttpCode(200)
  @All('open')
  async open(@Req() request: never): Promise<Delivery> {
    return deliveryOf(request);
  }

  @HttpCode(200)
  @All('ignore')
  @UseGuards(AuthenticatingGuard)
  ignore(): string {
    this.witness.deliveries.push({ method: '', url: '/ignore', parsed: undefined });
    return 'The body is of no interest.';
  }

  @All('app_status')
  status(@Res({ passthrough: true }) _response: unknown): string {
    return 'up';
  }
}

class WithMiddleware implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(MAuthMiddleware).forRoutes('{*path}');
  }
}

/** Starts an application on a free port, with NestFactory as a `main.ts` would. */
export async function startInboundApp(
  platform: PlatformName,
  { mauth = true, options, gate, limits, asks = 'guard', ...others }: InboundAppOptions = {},
): Promise<InboundApp> {
  const { nest, adapter, controllers = [], prepare } = others;
  const witness = new Witness();
  const complete = optionsFor(witness, options);
  witness.settings = resolveSettings(complete);
  witness.limits = limits;
  witness.asks = asks;
  const install = (host: HttpAdapterHost) => {
    if (mauth) {
      const authenticator = new MAuthAuthenticator(complete);
      const { protect = 'decorated', exempt = [] } = gate ?? {};
      const doorOptions = { protect, exempt: new ExemptPaths(exempt) };
      witness.inbound = new InboundAuthenticator(host, witness.settings, authenticator, doorOptions);
    }
    return witness;
  };
  const module: DynamicModule = {
    module: mauth && asks === 'middleware' ? WithMiddleware : class InboundTestModule {},
    controllers: [ReceivingController, ...controllers],
    providers: [
      nestCoreProvider,
      { provide: Witness, inject: [HttpAdapterHost], useFactory: install },
      { provide: MAUTH_INBOUND_AUTHENTICATOR, inject: [Witness], useFactory: (of: Witness) => of.inbound },
    ],
  };
  const app = await NestFactory.create(module, adapter ?? createAdapter(platform), {
    logger: false,
    abortOnError: false,
    ...nest,
  });
  await prepare?.(app);
  await app.listen(0, '127.0.0.1');
  const port = Number(new URL(await app.getUrl()).port);
  return Object.assign(witness, { app, port, close: () => close(app) });
}

/** Also ends connections that are kept alive, and those that a test has left open. */
async function close(app: INestApplication): Promise<void> {
  const server = app.getHttpServer() as { closeAllConnections?(): void };
  setTimeout(() => server.closeAllConnections?.(), 10);
  await app.close();
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
  return {
    method: request.method,
    url: request.url,
    parsed: describeParsed(request.body, raw),
    ...(request.rawBody && { rawBody: sha256(request.rawBody) }),
    ...(bytes && bytes.length > 0 && { streamed: { length: bytes.length, sha256: sha256(bytes) } }),
  };
}

function describeParsed(body: unknown, raw: IncomingMessage): unknown {
  if (body === raw) return '(the stream)';
  return Buffer.isBuffer(body) ? { buffer: sha256(body) } : (body ?? null);
}

export async function readAll(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
