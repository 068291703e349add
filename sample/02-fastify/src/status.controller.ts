import { Controller, Get } from '@nestjs/common';

@Controller('app_status')
export class StatusController {
  @Get()
  status() {
    return { status: 'up' };
  }
}
