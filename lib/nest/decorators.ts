import { type IncomingMessage } from 'node:http';
import { applyDecorators, createParamDecorator, UseGuards, type ExecutionContext } from '@nestjs/common';
import { requestSubject } from '../events/printable.js';
import { loggerFor, type MAuthIdentity } from '../authentication/identity.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { getMAuthIdentity } from '../http/identity.js';
import { originalTarget, nodeRequest } from '../http/request-pair.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { addAccess, recordGuard, recordSigning, type RequiresMAuthOptions } from './access-policy.js';
import { graphqlRequests, isRefusalTold } from './graphql-requests.js';
import { MAuthUnauthorizedException } from './mauth.exceptions.js';
import { MAuthGuard } from './mauth.guard.js';

/**
 * Lets authentic requests pass only: at every handler of a class and of its subclasses, or at one handler. It brings
 * its own guard.
 *
 * A method's options are merged over those of its class, a subclass's over those of its parent. The application does
 * not start (MAuthConfigurationError, which names the handler) where the options are wrong, or where `@Public()` or
 * `@OptionalMAuth()` stands at the same place.
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
  return applyDecorators(UseGuards(MAuthGuard), recordGuard(), addAccess({ requires: [{ ...options }] }));
}

/**
 * Lets every caller pass: at every handler of a class, or at one handler. It counts only where it is written: a
 * subclass of a public class is not public.
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
  return addAccess({ public: true });
}

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
  return applyDecorators(UseGuards(MAuthGuard), recordGuard(), addAccess({ optional: true }));
}

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
  return recordSigning();
}

/** For a handler that also runs without authentication. */
export interface MAuthCallerOptions {
  /** `undefined` where no caller was authenticated, instead of answering 401. Default false. */
  optional?: boolean;
}

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
export function AppUuid(options: MAuthCallerOptions = {}): ParameterDecorator {
  return callerParameter({ property: 'appUuid', optional: ownProperty(options, 'optional') });
}

const PROPERTIES: Readonly<Record<keyof MAuthIdentity, true>> = { appUuid: true, protocolVersion: true };

/**
 * The caller whose signature was verified, whole (`MAuthIdentity`) or one property of it, as a parameter of the
 * handler. Where there is none the answer is 401, unless it is optional; the log names a handler to which signed
 * requests come unverified.
 *
 * @throws MAuthConfigurationError where the property is none of a caller's
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
export function MAuthCaller(options?: MAuthCallerOptions): ParameterDecorator;
export function MAuthCaller(property: keyof MAuthIdentity, options?: MAuthCallerOptions): ParameterDecorator;
export function MAuthCaller(
  first: keyof MAuthIdentity | MAuthCallerOptions = {},
  second: MAuthCallerOptions = {},
): ParameterDecorator {
  if (typeof first === 'object') return callerParameter({ optional: ownProperty(first, 'optional') });
  if (Object.hasOwn(PROPERTIES, first))
    return callerParameter({ property: first, optional: ownProperty(second, 'optional') });
  throw new MAuthConfigurationError(
    `@MAuthCaller(${JSON.stringify(first)}) names no property of a caller; it has appUuid and protocolVersion.`,
  );
}

interface WantedOfCaller extends MAuthCallerOptions {
  readonly property?: keyof MAuthIdentity;
}

/** A handler that names its caller must not run with `undefined` because its protection was forgotten: that is 401. */
// Written out, because the type that Nest 12 infers has names that Nest 11 does not know.
const callerParameter: (wanted: WantedOfCaller) => ParameterDecorator = createParamDecorator(
  (wanted: WantedOfCaller, context: ExecutionContext) => {
    const identity = identityIn(context);
    const { property, optional } = ownProperties(wanted);
    if (identity) return property ? identity[property] : identity;
    if (optional) return undefined;
    if (!isRefusalTold(context))
      requestsOf(context).forEach((request) => reportUnprotected(context, nodeRequest(request)));
    throw new MAuthUnauthorizedException();
  },
);

function identityIn(context: ExecutionContext): MAuthIdentity | undefined {
  // One request, and no list: this is done for each.
  if (context.getType<string>() === 'http') return getMAuthIdentity(context.getArgByIndex<unknown>(0));
  return requestsOf(context).map(getMAuthIdentity).find(Boolean);
}

function requestsOf(context: ExecutionContext): unknown[] {
  switch (context.getType<string>()) {
    case 'http':
      return [context.getArgByIndex<unknown>(0)];
    case 'graphql':
      return graphqlRequests(context);
    default:
      return [];
  }
}

/** A signed request that was not verified when it reached the handler: less is protected than the handler expects. */
function reportUnprotected(context: ExecutionContext, request: IncomingMessage): void {
  const logger = loggerFor(request);
  if (!logger) return;
  const place = `${context.getClass().name}.${context.getHandler().name}`;
  const subject = requestSubject(request.method ?? '', originalTarget(request));
  logger.warn(
    `MAuth: ${subject} was refused (not_authenticated): ${place} asks for its caller, but nothing has authenticated ` +
      'the request. Put @RequiresMAuth() or @OptionalMAuth() there, in place of @Public() if it has that, or protect ' +
      'more of the application by the option `protect`; where the caller may be unknown, give { optional: true } to ' +
      'the parameter.',
  );
}
