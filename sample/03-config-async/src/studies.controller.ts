import { Controller, Get } from '@nestjs/common';
import { AppUuid } from 'nestjs-mauth';

@Controller('studies')
export class StudiesController {
  @Get()
  list(@AppUuid() caller: string) {
    return { studies: ['Mediflex'], caller };
  }
}
