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
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { answerFor } from '../../lib/inbound/answers.js';
import { nodeRequest } from '../../lib/inbound/exchange.js';
import { ExemptPaths } from '../../lib/inbound/exempt-paths.js';
import { InboundAuthenticator, type DoorOptions } from '../../lib/inbound/inbound-authenticator.js';
import { type InboundOutcome } from '../../lib/inbound/inbound-outcome.js';
import { type RouteLimits } from '../../lib/inbound/request-authenticator.js';
import { type MAuthOptions, type MAuthSettings } from '../../lib/mauth.options.js';
import { resolveSettings } from '../../lib/mauth.settings.js';
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
  door?: Partial<Pick<DoorOptions, 'protect'> & { exempt: readonly string[] }>;
  limits?: RouteLimits;
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
  /** What the guard was told, in order. */
  readonly outcomes: InboundOutcome[] = [];
  settings!: MAuthSettings;
  limits: RouteLimits | undefined;
  inbound: InboundAuthenticator | undefined;

  codes(): (string | undefined)[] {
    return this.outcomes.map((outcome) => (outcome.authentic ? undefined : outcome.code));
  }
}

export interface InboundApp extends Witness {
  readonly app: INestApplication;
  readonly port: number;
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

/** A guard in miniature: asks, and refuses as it is told. */
@Injectable()
export class AuthenticatingGuard implements CanActivate {
  constructor(@Inject(Witness) private readonly witness: Witness) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { inbound, limits, outcomes, settings } = this.witness;
    if (!inbound) return true;
    const outcome = await inbound.authenticate(context.switchToHttp().getRequest(), limits);
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
    const delivery = await deliveryOf(request);
    this.witness.deliveries.push(delivery);
    return delivery;
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

/** Starts an application on a free port, with NestFactory as a `main.ts` would. */
export async function startInboundApp(
  platform: PlatformName,
  { mauth = true, options, door, limits, nest, adapter, controllers = [], prepare }: InboundAppOptions = {},
): Promise<InboundApp> {
  const witness = new Witness();
  const complete: MAuthOptions = {
    appUuid: service.appUuid,
    privateKey: service.privateKey,
    findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
    logAttempts: false,
    logger: witness.logger,
    ...options,
  };
  witness.settings = resolveSettings(complete);
  witness.limits = limits;
  const install = (host: HttpAdapterHost) => {
    if (mauth) {
      const authenticator = new MAuthAuthenticator(complete);
      const { protect = 'decorated', exempt = [] } = door ?? {};
      const doorOptions = { protect, exempt: new ExemptPaths(exempt) };
      witness.inbound = new InboundAuthenticator(host, witness.settings, authenticator, doorOptions);
    }
    return witness;
  };
  const module: DynamicModule = {
    module: class InboundTestModule {},
    controllers: [ReceivingController, ...controllers],
    providers: [{ provide: Witness, inject: [HttpAdapterHost], useFactory: install }],
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
