import { marks } from './access-metadata.js';

/**
 * Lets everybody call: every handler of a class, or one handler. It counts only where it is written: a subclass of a
 * public class is not public.
 *
 * With `protect: 'everything'` it opens the gate in front of the application for the route of the handler and for its
 * method. So the route must be static: one with parameters or wildcards stops the start.
 *
 * @example
 * @Public()
 * @Get('app_status')
 * status() {}
 */
export function Public(): ClassDecorator & MethodDecorator {
  return marks({ public: true });
}
