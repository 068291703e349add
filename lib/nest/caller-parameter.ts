import { type IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { printable } from '../authentication/attempt-log.js';
import { loggerFor } from '../authentication/known-identity.js';
import { pathOf } from '../authentication/path-policy.js';
import { type MAuthIdentity } from '../authentication/result.js';
import { nodeRequest } from '../http/request-pair.js';
import { graphqlRequests } from './graphql-requests.js';
import { httpRequest } from './http-request.js';
import { getMAuthIdentity } from '../http/identity.js';
import { MAuthUnauthorizedException } from './mauth.exceptions.js';
import { sentTarget } from '../http/original-target.js';
import { ownProperties } from '../protocol/own-properties.js';

/** For a handler that also runs without authentication. */
export interface CallerParameterOptions {
  /** `undefined` where no caller was authenticated, instead of answering 401. Default false. */
  optional?: boolean;
}

export interface WantedOfCaller extends CallerParameterOptions {
  readonly property?: keyof MAuthIdentity;
}

/**
 * Puts the authenticated caller, or one of its properties, into a parameter. Without a caller the answer is 401: a
 * handler that names its caller must not run with `undefined` because somebody forgot to protect it.
 */
// Written out, because the type that Nest 12 infers has names that Nest 11 does not know.
export const CallerParameter: (wanted: WantedOfCaller) => ParameterDecorator = createParamDecorator(
  (wanted: WantedOfCaller, context: ExecutionContext) => {
    const identity = identityIn(context);
    const { property, optional } = ownProperties(wanted);
    if (identity) return property ? identity[property] : identity;
    if (optional) return undefined;
    requestsOf(context).forEach((request) => reportUnprotected(context, nodeRequest(request)));
    throw new MAuthUnauthorizedException();
  },
);

function identityIn(context: ExecutionContext): MAuthIdentity | undefined {
  // One request, and no list: this is done for each.
  if (context.getType<string>() === 'http') return getMAuthIdentity(httpRequest(context));
  return requestsOf(context).map(getMAuthIdentity).find(Boolean);
}

function requestsOf(context: ExecutionContext): unknown[] {
  switch (context.getType<string>()) {
    case 'http':
      return [httpRequest(context)];
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
  const subject = `${printable(request.method ?? '')} ${printable(pathOf(sentTarget(request)))}`;
  logger.warn(
    `MAuth: ${subject} was refused (not_authenticated): ${place} asks for its caller, but nothing has authenticated ` +
      'the request. Put @RequiresMAuth() or @OptionalMAuth() there, in place of @Public() if it has that, or protect ' +
      'more of the application by the option `protect`; where the caller may be unknown, give { optional: true } to ' +
      'the parameter.',
  );
}
