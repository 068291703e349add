import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Controller, Post, Put, Req, UploadedFile, UseInterceptors } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { type Request } from 'express';
import type {} from 'multer'; // Express.Multer.File
import { AppUuid, RequiresMAuth } from 'nestjs-mauth';

@Controller('documents')
export class DocumentsController {
  /** A form: multer takes it apart once all of it has been verified. */
  @RequiresMAuth({ maxBodyBytes: 10 * 1024 * 1024 })
  @Post()
  @UseInterceptors(FileInterceptor('file'))
  add(@UploadedFile() file: Express.Multer.File, @AppUuid() caller: string) {
    return { name: file.originalname, bytes: file.size, caller };
  }

  /** Bytes as they come: what the stream gives is verified. */
  @Put('raw')
  async raw(@Req() request: Request) {
    const hash = createHash('sha256');
    await pipeline(request, hash);
    return { sha256: hash.digest('hex') };
  }
}
