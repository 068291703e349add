import { Body, Controller, Get, Post } from '@nestjs/common';
import { AppUuid } from 'nestjs-mauth';

@Controller('studies')
export class StudiesController {
  @Get()
  list(@AppUuid() caller: string) {
    return { studies: ['Mediflex'], caller };
  }

  @Post()
  add(@Body('name') name: string) {
    return { name };
  }
}
