import { type MAuthIdentity } from '../authentication/result.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { CallerParameter, type CallerParameterOptions } from './caller-parameter.js';

const PROPERTIES: Readonly<Record<keyof MAuthIdentity, true>> = { appUuid: true, protocolVersion: true };

/**
 * The caller whose signature was verified, whole (`MAuthIdentity`) or one property of it, as a parameter of the
 * handler. Where there is none the answer is 401, unless it is optional; the log names a handler to which signed
 * requests come unverified.
 *
 * @example
 * @Get()
 * list(@MAuthCaller() caller: MAuthIdentity, @MAuthCaller('protocolVersion') version: 1 | 2) {}
 *
 * @example
 * @OptionalMAuth()
 * @Get()
 * list(@MAuthCaller({ optional: true }) caller?: MAuthIdentity) {}
 */
export function MAuthCaller(options?: CallerParameterOptions): ParameterDecorator;
export function MAuthCaller(
  property: keyof MAuthIdentity,
  options?: CallerParameterOptions,
): ParameterDecorator;
export function MAuthCaller(
  first: keyof MAuthIdentity | CallerParameterOptions = {},
  second: CallerParameterOptions = {},
): ParameterDecorator {
  if (typeof first === 'object') return CallerParameter({ optional: first.optional });
  if (Object.hasOwn(PROPERTIES, first))
    return CallerParameter({ property: first, optional: second.optional });
  throw new MAuthConfigurationError(
    `@MAuthCaller(${JSON.stringify(first)}) names no property of a caller; it has appUuid and protocolVersion.`,
  );
}
