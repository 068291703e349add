import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer, IncomingMessage, request as httpRequest, ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import multipart from '@fastify/multipart';
import { Controller, Post, Req, UploadedFile, UseInterceptors, type INestApplication } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { mauthMiddleware } from '../../lib/core.js';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { bytes } from '../support/body-kinds.js';
import { caller, PLATFORM_NAMES, readAll, service, sha256 } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { sendSigned, signatureOf } from '../support/signed-http.js';
import {
  failingSink,
  runSteps,
  STREAM_STEPS,
  stuckSink,
  type StreamHandler,
} from '../support/stream-steps.js';
import {
  startUploadApp,
  type Protection,
  type UploadApp,
  type UploadAppOptions,
} from '../support/upload-app.js';

/** Around the limits of the stream's buffer: 16 KiB on Node 20, 64 KiB from 22 on. */
const SIZES = [1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 200_000, 1_000_000];

const SETUPS: readonly (readonly [string, UploadAppOptions])[] = [
  ['Express', { platform: 'Express' }],
  ['Fastify', { platform: 'Fastify' }],
  ['Fastify with HTTP/2', { platform: 'Fastify', http2: true }],
];

const MODES: readonly (readonly [Protection, 'local' | 'remote'])[] = [
  ['decorated', 'local'],
  ['routes', 'local'],
  ['everything', 'local'],
  ['decorated', 'remote'],
  ['routes', 'remote'],
  ['everything', 'remote'],
];

let app: UploadApp;
let mauth: MAuthServiceStandIn | undefined;

async function start(setup: UploadAppOptions, mode: 'local' | 'remote' = 'local'): Promise<void> {
  if (mode === 'remote') mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
  const remote = mauth && { mode, mauthUrl: mauth.url, findPublicKey: undefined };
  app = await startUploadApp({ ...setup, options: { ...setup.options, ...remote } });
}

async function stop(): Promise<void> {
  await app.close();
  await mauth?.stop();
  mauth = undefined;
}

async function expectNothingHeldAfter(steps: readonly StreamHandler[], size: number): Promise<void> {
  app.handleWith((upload) => runSteps(upload, steps));
  const before = app.lastUpload();
  expect([200, undefined]).toContain(await app.upload(bytes(size)));
  expect(app.lastUpload()).not.toBe(before);
  await expectNothingHeld();
  await expectNextServed();
}

async function expectNothingHeld(): Promise<void> {
  await eventually(() => expect(HeldBytesBudget.held).toBe(0));
}

/** The connection carries the next request, or is closed, so that the caller takes another one. */
async function expectNextServed(): Promise<void> {
  app.handleWith(() => undefined);
  const isServed = (await app.upload(bytes(10))) ?? (await app.upload(bytes(10)));
  expect(isServed).toBe(200);
}

describe.each(SETUPS)('Whatever a handler does with the stream of a verified body, on %s', (_, setup) => {
  describe.each(MODES)('with protection of %s, verified in %s mode', (protect, mode) => {
    beforeAll(() => start({ ...setup, protect }, mode));
    afterAll(stop);

    it('nothing counts as held after any steps, before and after the answer', async () => {
      const step = fc
        .constantFrom(...Object.entries(STREAM_STEPS))
        .map(([name, taken]) => named(name, taken));
      const steps = fc.array(step, { maxLength: 6, size: 'max' });
      await fc.assert(fc.asyncProperty(steps, fc.constantFrom(...SIZES), expectNothingHeldAfter), {
        numRuns: 40,
      });
    }, 60_000);
  });

  describe('alone', () => {
    beforeAll(() => start(setup));
    afterAll(stop);

    it.each(Object.entries(STREAM_STEPS))('nothing counts as held afterwards: %s', async (_name, step) => {
      for (const size of SIZES) await expectNothingHeldAfter([step], size);
    });
  });

  describe('and then', () => {
    const body = bytes(1_000_000);
    beforeAll(() => start(setup));
    afterAll(stop);

    it('one that goes on reading after its answer gets every byte', async () => {
      const read: Buffer[] = [];
      const slow = new Writable({
        write(chunk: Buffer, _encoding, done) {
          read.push(chunk);
          setImmediate(done);
        },
      });
      const isRead = once(slow, 'finish');
      // Not `pipeline`: on HTTP/2 that fails when the stream of the exchange closes.
      app.handleWith(({ stream, response }) => {
        response.end('answered');
        stream.pipe(slow);
      });
      expect(await app.upload(body)).toBe(200);
      await expectNothingHeld();
      await expectNextServed();
      await isRead;
      expect(sha256(Buffer.concat(read))).toBe(sha256(body));
    });

    it('one that gave up does not hear of an end, so it does not answer a second time', async () => {
      const heard: string[] = [];
      app.handleWith((upload) => {
        upload.pipe(failingSink(20_000)).on('error', () => upload.answer(507));
        upload.stream.on('end', () => heard.push('end'));
        return new Promise((resolve) => upload.response.once('close', resolve));
      });
      expect(await app.upload(body)).toBe(507);
      await expectNothingHeld();
      await expectNextServed();
      expect(heard).toEqual([]);
    });

    it('one that gave up and reads on all the same is told that the rest is gone', async () => {
      app.handleWith(({ stream, response }) => {
        stream.read(100);
        response.end('answered');
      });
      expect(await app.upload(body)).toBe(200);
      const stream = app.lastUpload()?.stream as IncomingMessage;
      await expectNothingHeld();
      await expectNextServed();
      await expect(pipeline(stream, new PassThrough().resume())).rejects.toMatchObject({
        code: 'ERR_STREAM_PREMATURE_CLOSE',
      });
      await expectNextServed();
    });
  });
});

describe.each(PLATFORM_NAMES)('Handlers on %s that give up on uploads', (platform) => {
  const options = { body: { maxHeldBytesTotal: 2_000_000 } };
  const refusingUpstream = () => httpRequest({ port: 9, host: '127.0.0.1', method: 'POST' });

  afterEach(stop);

  it.each<[string, StreamHandler]>([
    ['paused them', ({ stream }) => stream.pause()],
    ['read a part and paused them', ({ stream }) => stream.once('data', () => stream.pause())],
    ['unpiped them', ({ stream }) => stream.pipe(stuckSink()) && stream.unpipe()],
    ['piped them to a sink that is stuck', (upload) => upload.pipe(stuckSink())],
    [
      'piped them into a folder that is missing',
      (upload) => upload.pipe(createWriteStream('/no-such-folder/x')).on('error', () => upload.answer(507)),
    ],
    [
      'piped them to an upstream that refuses',
      (upload) => upload.pipe(refusingUpstream()).on('error', () => upload.answer(502)),
    ],
  ])('leave room for others when they have %s', async (_, handler) => {
    await start({ platform, options });
    app.handleWith(handler);
    // More than would fit all at once.
    for (let i = 0; i < 12; i++) expect([200, 502, 507]).toContain(await app.upload(bytes(400_000)));
    await expectNothingHeld();
  });
});

const BOUNDARY = 'a-boundary';

@Controller()
class ExpressFiles {
  @Post('upload')
  @UseInterceptors(FileInterceptor('file', { limits: { fileSize: 1000 } }))
  upload(@UploadedFile() _file: unknown): string {
    return 'stored';
  }
}

@Controller()
class FastifyFiles {
  @Post('upload')
  async upload(@Req() request: { file(options: object): Promise<{ toBuffer(): Promise<Buffer> }> }) {
    const file = await request.file({ limits: { fileSize: 1000 } });
    await file.toBuffer();
    return 'stored';
  }
}

describe.each(PLATFORM_NAMES)('Files above the limit of a multipart parser on %s', (platform) => {
  beforeAll(() =>
    start({
      platform,
      controllers: [platform === 'Express' ? ExpressFiles : FastifyFiles],
      prepare: async (nest: INestApplication) => {
        if (platform === 'Fastify') await (nest as NestFastifyApplication).register(multipart);
      },
    }),
  );
  afterAll(stop);

  it.each(SIZES.slice(1))('of %i bytes do not count as held after the answer', async (size) => {
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n`;
    const body = Buffer.concat([
      Buffer.from(head),
      Buffer.alloc(size, 'x'),
      Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
    ]);
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
    expect((await sendSigned({ port: app.port, path: '/upload', headers, body })).status).toBe(413);
    await expectNothingHeld();
  });
});

it('Nothing counts as held where a response tells only that it is finished, as those of some adapters do', async () => {
  const { appUuid, privateKey } = service;
  const middleware = mauthMiddleware({
    appUuid,
    privateKey,
    findPublicKey: () => caller.publicKey,
    logAttempts: false,
  });
  const body = bytes(300_000);
  const request = new IncomingMessage(new PassThrough() as unknown as Socket);
  const signature = await signatureOf({ path: '/upload', body });
  const headers = Object.entries(signature).map(([name, value]) => [name.toLowerCase(), value]);
  Object.assign(request, { method: 'POST', url: '/upload', headers: Object.fromEntries(headers) });
  const response = new ServerResponse(request);
  response.assignSocket(new PassThrough().resume() as unknown as Socket);
  const handled = new Promise<void>((resolve) => middleware(request, response, () => resolve()));
  for (let at = 0; at < body.length; at += 60_000) request.push(body.subarray(at, at + 60_000));
  request.push(null);
  await handled;
  expect(HeldBytesBudget.held).toBe(body.length);
  request.read(100);
  await new Promise<void>((resolve) => response.once('finish', resolve).end('answered'));
  expect(HeldBytesBudget.held).toBe(0);
  middleware.close();
});

it.each(SIZES)('A body of %i bytes passes two gates of this package, one behind the other', async (size) => {
  const { appUuid, privateKey } = service;
  const options = { appUuid, privateKey, findPublicKey: () => caller.publicKey, logAttempts: false };
  const [outer, inner] = [mauthMiddleware(options), mauthMiddleware(options)];
  const received: string[] = [];
  const server = createServer((request, response) =>
    outer(request, response, () =>
      inner(request, response, () => {
        void readAll(request).then((body) => {
          received.push(sha256(body));
          response.end();
        });
      }),
    ),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const body = bytes(size);
  for (const chunkSize of [undefined, 5000]) {
    const { port } = server.address() as AddressInfo;
    expect((await sendSigned({ port, path: '/upload', body, chunkSize })).status).toBe(200);
  }
  expect(received).toEqual([sha256(body), sha256(body)]);
  await expectNothingHeld();
  server.closeAllConnections();
  server.close();
  for (const gate of [outer, inner]) gate.close();
});

function named(name: string, step: StreamHandler): StreamHandler {
  const copy: StreamHandler = (upload) => step(upload);
  return Object.assign(copy, { toString: () => name, [fc.toStringMethod]: () => name });
}

async function eventually(check: () => void): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return check();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
