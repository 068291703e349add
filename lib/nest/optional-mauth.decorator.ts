import { applyDecorators, UseGuards } from '@nestjs/common';
import { marks, marksGuarded } from './access-metadata.js';
import { MAuthGuard } from './mauth.guard.js';

/**
 * Lets requests without MAuth authentication headers pass, but no request whose headers are wrong. It brings its own
 * guard, and counts only where it is written, like `@Public()`. With `protect: 'everything'` its route must be static,
 * as that of `@Public()`.
 *
 * @example
 * @OptionalMAuth()
 * @Get()
 * list(@AppUuid({ optional: true }) appUuid?: string) {}
 */
export function OptionalMAuth(): ClassDecorator & MethodDecorator {
  return applyDecorators(UseGuards(MAuthGuard), marksGuarded(), marks({ optional: true }));
}
