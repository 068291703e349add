/** The routes that are measured. Decorators are called as functions, because this file runs as it is. */
import { Body, Controller, Get, HttpCode, Post, Req, UploadedFile, UseInterceptors } from '@nestjs/common';

export const ANSWER = JSON.stringify({ studies: ['Mediflex'] });
export const PAGES = { '1 kB': 1000, '100 kB': 100_000 };

const page = (size) => ({ text: 'x'.repeat(size - 11) });
const pages = Object.fromEntries(Object.entries(PAGES).map(([name, size]) => [name, page(size)]));

/** @param options `platform` and `variant` */
export async function controllerOf({ platform, variant }) {
  class StudiesController {
    list() {
      return { studies: ['Mediflex'] };
    }
    create(body) {
      return { studies: [body.study] };
    }
    uploadExpress(file) {
      return { studies: [file.size === 1_000_000 ? 'Mediflex' : 'incomplete'] };
    }
    async uploadFastify(request) {
      const file = await (await request.file()).toBuffer();
      return this.uploadExpress({ size: file.length });
    }
    smallPage() {
      return pages['1 kB'];
    }
    largePage() {
      return pages['100 kB'];
    }
    async drain(request) {
      let received = 0;
      for await (const chunk of request.raw ?? request) received += chunk.length;
      return { received };
    }
    parsed(body) {
      return { received: body.received };
    }
  }
  const on = (name, ...decorators) =>
    decorators.forEach((decorator) =>
      decorator(
        StudiesController.prototype,
        name,
        Object.getOwnPropertyDescriptor(StudiesController.prototype, name),
      ),
    );
  const parameter = (name, decorator) => decorator(StudiesController.prototype, name, 0);

  on('list', Get('studies'));
  on('create', Post('studies'), HttpCode(200));
  parameter('create', Body());
  const upload = platform === 'Express' ? 'uploadExpress' : 'uploadFastify';
  on(upload, Post('uploads'), HttpCode(200));
  if (platform === 'Express') {
    const { FileInterceptor } = await import('@nestjs/platform-express');
    on(upload, UseInterceptors(FileInterceptor('file')));
  }
  parameter(upload, platform === 'Express' ? UploadedFile() : Req());
  on('smallPage', Get('pages/1'));
  on('largePage', Get('pages/100'));
  on('drain', Post('drain'), HttpCode(200));
  parameter('drain', Req());
  on('parsed', Post('parsed'), HttpCode(200));
  parameter('parsed', Body());

  if (variant === 'optional') (await import('nestjs-mauth')).OptionalMAuth()(StudiesController);
  if (variant === 'public') (await import('nestjs-mauth')).Public()(StudiesController);
  Controller()(StudiesController);
  return StudiesController;
}
