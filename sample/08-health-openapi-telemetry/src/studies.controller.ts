import { Controller, Get } from '@nestjs/common';
import { AppUuid, Public } from 'nestjs-mauth';
import { RefusalsObserver } from './refusals.observer.js';

@Controller('studies')
export class StudiesController {
  constructor(private readonly refusals: RefusalsObserver) {}

  @Get()
  list(@AppUuid() caller: string) {
    return { studies: ['Mediflex'], caller };
  }

  @Public()
  @Get('refusals')
  refused() {
    return Object.fromEntries(this.refusals.counts);
  }
}
