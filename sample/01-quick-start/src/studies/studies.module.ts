import { Module, type DynamicModule } from '@nestjs/common';
import { MAuthModule, type MAuthModuleOptions } from 'nestjs-mauth';
import { StudiesController } from './studies.controller.js';

/** A service whose every route is closed to unsigned requests, `@Public()` ones excepted. */
@Module({})
export class StudiesModule {
  static with(options: MAuthModuleOptions): DynamicModule {
    return {
      module: StudiesModule,
      imports: [MAuthModule.forRoot({ ...options, protect: 'routes' })],
      controllers: [StudiesController],
    };
  }
}
