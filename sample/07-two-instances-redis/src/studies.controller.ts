import { Body, Controller, Get, Post } from '@nestjs/common';
import { AppUuid } from 'nestjs-mauth';

@Controller('studies')
export class StudiesController {
  @Get()
  list(@AppUuid() caller: string) {
    return { studies: ['Mediflex'], caller };
  }

  /** Not idempotent: a copy of the request must not get here. */
  @Post()
  add(@Body('name') name: string, @AppUuid() caller: string) {
    return { name, caller };
  }
}
