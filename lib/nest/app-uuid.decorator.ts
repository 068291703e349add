import { CallerParameter, type CallerParameterOptions } from './caller-parameter.js';

/**
 * The UUID of the app whose signature was verified, in lower case, as a parameter of the handler. Where there is none
 * the answer is 401, unless it is optional; the log names a handler to which signed requests come unverified.
 *
 * @example
 * @Get()
 * list(@AppUuid() appUuid: string) {}
 *
 * @example
 * @OptionalMAuth()
 * @Get()
 * list(@AppUuid({ optional: true }) appUuid?: string) {}
 */
export function AppUuid({ optional }: CallerParameterOptions = {}): ParameterDecorator {
  return CallerParameter({ property: 'appUuid', optional });
}
