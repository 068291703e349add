import { Body, Controller, Get, Header, Post } from '@nestjs/common';
import { AppUuid } from 'nestjs-mauth';

@Controller('studies')
export class StudiesController {
  @Get()
  list(@AppUuid() caller: string) {
    return { studies: ['Mediflex'], caller };
  }

  @Post('odm')
  @Header('Content-Type', 'text/plain')
  odm(@Body() xml: string) {
    return `${xml.length} characters of XML`;
  }
}
