import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type MAuthIdentity } from '../authentication/result.js';
import { graphqlRequests } from './graphql-requests.js';
import { httpRequest } from './http-request.js';
import { getMAuthIdentity } from './identity.js';
import { MAuthUnauthorizedException } from './mauth.exceptions.js';

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
    if (identity) return wanted.property ? identity[wanted.property] : identity;
    if (wanted.optional) return undefined;
    throw new MAuthUnauthorizedException();
  },
);

function identityIn(context: ExecutionContext): MAuthIdentity | undefined {
  switch (context.getType<string>()) {
    case 'http':
      return getMAuthIdentity(httpRequest(context));
    case 'graphql':
      return graphqlRequests(context).map(getMAuthIdentity).find(Boolean);
    default:
      return undefined;
  }
}
