import multipart, { type MultipartFile } from '@fastify/multipart';
import {
  Body,
  Controller,
  HttpCode,
  Post,
  Req,
  UploadedFile,
  UseInterceptors,
  type Type,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { MAuthModule, RequiresMAuth } from '../../lib/index.js';
import { bytes, flipped } from '../support/body-kinds.js';
import { caller, createAdapter, PLATFORM_NAMES, sha256, type PlatformName } from '../support/inbound-app.js';
import { RecordingLogger } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

const BOUNDARY = 'a-boundary';
const HEADERS = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
const PARTS = (file: Buffer) => [
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\na note\r\n`,
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n`,
  file,
  `\r\n--${BOUNDARY}--\r\n`,
];

function form(file: Buffer): Buffer {
  return Buffer.concat(PARTS(file).map((part) => Buffer.from(part as string)));
}

const uploads: { note: unknown; size: number; sha256: string }[] = [];

@Controller('upload')
@RequiresMAuth()
class ExpressUploads {
  @Post()
  @HttpCode(200)
  @UseInterceptors(FileInterceptor('file'))
  upload(@UploadedFile() file: { buffer: Buffer }, @Body() body: { note?: string }): string {
    uploads.push({ note: body.note, size: file.buffer.length, sha256: sha256(file.buffer) });
    return 'stored';
  }
}

@Controller('upload')
@RequiresMAuth()
class FastifyUploads {
  @Post()
  @HttpCode(200)
  async upload(@Req() request: { file(): Promise<MultipartFile> }): Promise<string> {
    const file = await request.file();
    const content = await file.toBuffer();
    const note = (file.fields.note as { value?: unknown }).value;
    uploads.push({ note, size: content.length, sha256: sha256(content) });
    return 'stored';
  }
}

const CONTROLLERS: Record<PlatformName, Type<unknown>> = { Express: ExpressUploads, Fastify: FastifyUploads };

describe.each(PLATFORM_NAMES)('Uploads on %s', (platform) => {
  describe.each(['decorated', 'routes', 'everything'] as const)('with protection of %s', (protect) => {
    let close: () => Promise<void>;
    let port: number;

    beforeAll(async () => {
      const own = createTestApp();
      const mauth = MAuthModule.forRoot({
        appUuid: own.appUuid,
        privateKey: own.privateKey,
        findPublicKey: () => caller.publicKey,
        logger: new RecordingLogger(),
        protect,
      });
      const module = { module: class {}, imports: [mauth], controllers: [CONTROLLERS[platform]] };
      const app = await NestFactory.create(module, createAdapter(platform), { logger: false });
      if (platform === 'Fastify') {
        await (app as NestFastifyApplication).register(multipart, {
          limits: { fileSize: 20_000_000 },
        });
      }
      await app.listen(0, '127.0.0.1');
      port = Number(new URL(await app.getUrl()).port);
      close = () => app.close();
    });
    afterAll(() => close());
    beforeEach(() => (uploads.length = 0));

    it.each([
      ['a small file', 100, undefined],
      ['a small file in small chunks', 100, 3],
      ['a large file', 3_000_000, undefined],
      ['a large file in chunks', 3_000_000, 10_000],
    ])('deliver %s with its field, byte for byte', async (_, length, chunkSize) => {
      const file = bytes(length);
      for (const version of ['v1', 'v2'] as const) {
        const request = { port, path: '/upload', headers: HEADERS, body: form(file), chunkSize };
        expect((await sendSigned(request, version)).status).toBe(200);
      }
      const upload = { note: 'a note', size: length, sha256: sha256(file) };
      expect(uploads).toEqual([upload, upload]);
    });

    it('never deliver a file with a flipped byte', async () => {
      const file = bytes(200_000);
      const signature = await signatureOf({ path: '/upload', body: form(file) }, 'v1,v2');
      for (const at of [0, 100_000, 199_999]) {
        const body = form(flipped(file, at));
        const answer = await sendBytes({
          port,
          path: '/upload',
          headers: { ...HEADERS, ...signature },
          body,
        });
        expect(answer.status).toBe(401);
      }
      expect(uploads).toEqual([]);
    });
  });
});
