import { applyDecorators, UseGuards } from '@nestjs/common';
import { marks, marksGuarded, type RequiresMAuthOptions } from './access-metadata.js';
import { MAuthGuard } from './mauth.guard.js';

/**
 * Lets authentic requests pass only: at every handler of a class and of its subclasses, or at one handler. It brings
 * its own guard.
 *
 * A method's options are merged over those of its class, a subclass's over those of its parent.
 *
 * @param options which apps may call, by UUID or by name, and how large their bodies may be
 *
 * @example
 * @RequiresMAuth()
 * @Controller('studies')
 * class StudiesController {
 *   @RequiresMAuth({ apps: ['rave'] })
 *   @Post()
 *   create() {}
 * }
 */
export function RequiresMAuth(options: RequiresMAuthOptions = {}): ClassDecorator & MethodDecorator {
  return applyDecorators(UseGuards(MAuthGuard), marksGuarded(), marks({ requires: [{ ...options }] }));
}
