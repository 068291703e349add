import { Controller, Get, Query } from '@nestjs/common';
import { StudiesClient } from './studies.client.js';

/** Lets anybody look at studies, through the client's own signature. */
@Controller()
export class ClientController {
  constructor(private readonly studies: StudiesClient) {}

  @Get('overview')
  async overview(@Query('page') page?: string) {
    const { data } = await this.studies.list(Number(page ?? 1));
    return data;
  }
}
