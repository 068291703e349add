import 'reflect-metadata';
import { type HandlerPlace } from './access-policy.js';

// A plain name, so that the decorator of one copy of this package is seen by the module of the other.
const SIGN_RESPONSE = 'nestjs-mauth:sign-response';

/**
 * Signs the responses of one handler, or of all handlers of a class and its subclasses: also without
 * `responses.sign`, and also those to unsigned requests where the handler is `@Public()`. They are signed with the
 * version that the request used, else with `signVersions`. Refusals of requests that are not authentic are not signed.
 *
 * @example
 * @SignResponse()
 * @Get('terms')
 * terms() {}
 */
export function SignResponse(): ClassDecorator & MethodDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    if (key === undefined) {
      Reflect.defineMetadata(SIGN_RESPONSE, true, target);
      return;
    }
    Reflect.defineMetadata(SIGN_RESPONSE, true, target, key);
    // Found there too when a decorator has given the method another name.
    if (descriptor) Reflect.defineMetadata(SIGN_RESPONSE, true, descriptor.value as object);
  };
}

/** Whether the decorator is on the handler, on a method that it overrides, or on its class or a parent of that. */
export function isSignResponse({ controller, handler }: HandlerPlace): boolean {
  return (
    Reflect.hasMetadata(SIGN_RESPONSE, handler) ||
    Reflect.hasMetadata(SIGN_RESPONSE, controller) ||
    Reflect.hasMetadata(SIGN_RESPONSE, controller.prototype as object, handler.name)
  );
}
