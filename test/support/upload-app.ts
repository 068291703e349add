import { Agent, type ServerResponse } from 'node:http';
import { connect, type ClientHttp2Session } from 'node:http2';
import { Controller, HttpCode, Post, Req, Res, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { nodeRequest } from '../../lib/http/request-pair.js';
import { MAuthModule, RequiresMAuth, type MAuthModuleOptions } from '../../lib/index.js';
import { takeEveryType } from './applications.js';
import { caller, createAdapter, service, type PlatformName } from './inbound-app.js';
import { RecordingLogger } from './running-app.js';
import { sendSigned, signatureOf } from './signed-http.js';
import { type StreamHandler, UploadInHand } from './stream-steps.js';

const OCTETS = { 'content-type': 'application/octet-stream' };

export type Protection = 'decorated' | 'routes' | 'everything';

export interface UploadAppOptions {
  readonly platform: PlatformName;
  /** Fastify only. */
  readonly http2?: boolean;
  readonly protect?: Protection;
  readonly options?: Partial<MAuthModuleOptions>;
  readonly controllers?: Type<unknown>[];
  /** Runs where `main.ts` would. */
  readonly prepare?: (app: INestApplication) => unknown;
}

/** An application with a route `POST /upload`, and one connection to it, for as long as the server keeps it open. */
export interface UploadApp {
  readonly port: number;
  readonly logger: RecordingLogger;
  /** What the handler of `/upload` does; unless it does so itself, it answers 200 afterwards. */
  handleWith(handler: StreamHandler): void;
  /** The upload that came last to the handler. */
  lastUpload(): UploadInHand | undefined;
  /** The status of the answer; undefined when the connection is cut instead. */
  upload(body: Uint8Array): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Starts an application with MAuthModule as a user would. */
export async function startUploadApp(setup: UploadAppOptions): Promise<UploadApp> {
  const { platform, http2, protect = 'routes', options, controllers, prepare } = setup;
  const logger = new RecordingLogger();
  let handler: StreamHandler = () => undefined;
  let last: UploadInHand | undefined;

  @Controller()
  class OpenUploads {
    @HttpCode(200)
    @Post('upload')
    async upload(@Req() request: unknown, @Res() response: { raw?: ServerResponse }): Promise<void> {
      const raw = response.raw ?? (response as ServerResponse);
      last = new UploadInHand(nodeRequest(request), raw);
      await handler(last);
      last.answer(200);
    }
  }

  @Controller()
  @RequiresMAuth()
  class DecoratedUploads extends OpenUploads {}

  const mauth = MAuthModule.forRoot({
    appUuid: service.appUuid,
    privateKey: service.privateKey,
    findPublicKey: () => caller.publicKey,
    logger,
    protect,
    ...options,
  });
  const module = {
    module: class {},
    imports: [mauth],
    controllers: controllers ?? [protect === 'decorated' ? DecoratedUploads : OpenUploads],
  };
  const app = await NestFactory.create(module, createAdapter(platform, http2 ? { http2 } : {}), {
    logger: false,
  });
  if (prepare) await prepare(app);
  else takeEveryType(app);
  await app.listen(0, '127.0.0.1');
  const port = Number(new URL(await app.getUrl()).port);
  const connection = http2 ? overHttp2(port) : overHttp1(port);
  return {
    port,
    logger,
    handleWith: (next) => (handler = next),
    lastUpload: () => last,
    upload: connection.upload,
    close: async () => {
      connection.close();
      await app.close();
    },
  };
}

interface Connection {
  upload(body: Uint8Array): Promise<number | undefined>;
  close(): void;
}

function overHttp1(port: number): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    upload: (body) =>
      sendSigned({ port, agent, path: '/upload', headers: OCTETS, body }).then(
        ({ status }) => status,
        () => undefined,
      ),
    close: () => agent.destroy(),
  };
}

function overHttp2(port: number): Connection {
  let session: ClientHttp2Session | undefined;
  return {
    upload: async (body) => {
      if (!session || session.destroyed || session.closed) session = connect(`http://127.0.0.1:${port}`);
      const signature = await signatureOf({ path: '/upload', body });
      const stream = session.request({ ':method': 'POST', ':path': '/upload', ...OCTETS, ...signature });
      return new Promise((resolve) => {
        let status: number | undefined;
        stream.on('response', (headers) => (status = headers[':status']));
        stream.on('error', () => undefined).on('close', () => resolve(status));
        stream.resume().end(body);
      });
    },
    close: () => session?.destroy(),
  };
}
