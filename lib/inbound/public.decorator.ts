import { marks } from './access-marks.js';

/**
 * Lets everybody call: every handler of a class, or one handler. It counts only where it is written: a subclass of a
 * public class is not public.
 *
 * With `protect: 'everything'` the door in front of the application stays closed; paths that it lets pass are named in
 * `exempt`.
 *
 * @example
 * @Public()
 * @Get('app_status')
 * status() {}
 */
export function Public(): ClassDecorator & MethodDecorator {
  return marks({ public: true });
}
