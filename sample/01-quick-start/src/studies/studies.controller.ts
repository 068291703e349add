import { createHash } from 'node:crypto';
import { Body, Controller, Get, Post, Query, UploadedFile, UseInterceptors } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { AppUuid, MAuthCaller, Public, RequiresMAuth, type MAuthIdentity } from 'nestjs-mauth';

/** What the sample needs to know of a file; multer knows more. */
interface Upload {
  readonly originalname: string;
  readonly buffer: Buffer;
}

/** The module protects every route, so only exceptions and restrictions are written here. */
@Controller()
export class StudiesController {
  @Public()
  @Get('app_status')
  status() {
    return { status: 'up' };
  }

  @Get('studies')
  list(@MAuthCaller() { appUuid, protocolVersion }: MAuthIdentity, @Query('page') page = '1') {
    return { page, studies: ['Mediflex'], askedBy: appUuid, protocolVersion };
  }

  @Post('studies')
  create(@AppUuid() appUuid: string, @Body() { name }: { name: string }) {
    return { name, createdBy: appUuid };
  }

  /** `reporting` is a name for an app UUID, given in the module's options. */
  @RequiresMAuth({ apps: ['reporting'] })
  @Get('studies/safety-report')
  safetyReport(@AppUuid() appUuid: string) {
    return { events: 0, askedBy: appUuid };
  }

  @Post('studies/documents')
  @UseInterceptors(FileInterceptor('document'))
  upload(@UploadedFile() { originalname, buffer }: Upload) {
    return {
      name: originalname,
      bytes: buffer.length,
      sha256: createHash('sha256').update(buffer).digest('hex'),
    };
  }
}
