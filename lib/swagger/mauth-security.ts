import { applyDecorators } from '@nestjs/common';
import { ApiSecurity, type OpenAPIObject } from '@nestjs/swagger';
import { ownProperty } from '../protocol/own-properties.js';

/** Security schemes of which all that are named must hold. */
export type SecurityRequirement = NonNullable<OpenAPIObject['security']>[number];

type SecuritySchemes = NonNullable<NonNullable<OpenAPIObject['components']>['securitySchemes']>;

const SIGNATURE = 'mauth-v2';
const TIME = 'mauth-v2-time';

/** OpenAPI knows no scheme with two headers, so there is one for each, and a requirement names both. */
export const MAUTH_SCHEMES: SecuritySchemes = {
  [SIGNATURE]: {
    type: 'apiKey',
    in: 'header',
    name: 'MCC-Authentication',
    description:
      'The signature of the request by version 2 of the MAuth protocol: `MWSV2 {app UUID}:{signature};`.',
  },
  [TIME]: {
    type: 'apiKey',
    in: 'header',
    name: 'MCC-Time',
    description: 'The time at which the request was signed, in seconds since 1970.',
  },
};

/** What an authentic request has beside all else that the requirement asks for. */
export function signed(requirement: SecurityRequirement): SecurityRequirement {
  return { ...requirement, [SIGNATURE]: [], [TIME]: [] };
}

/** Whether the requirement asks for a signature. */
export function asksForSignature(requirement: SecurityRequirement): boolean {
  return SIGNATURE in requirement;
}

export interface ApiMAuthOptions {
  /** Whether unsigned requests pass as well. Default false. */
  optional?: boolean;
}

/**
 * Marks operations as signed by hand: at a handler, or at a class for all of its handlers. It is for documents that
 * `SwaggerModule` makes itself, which then have to name the security schemes, and for handlers behind `MAuthMiddleware`,
 * of which `createMAuthDocument` does not know. It adds the security requirement and no answers: a decorator that adds
 * 401 takes away the 200 that is there by default. `createMAuthDocument` adds them.
 *
 * It protects nothing: that is what `@RequiresMAuth()` does.
 *
 * @param options `optional`: whether unsigned requests pass as well
 *
 * @example
 * @ApiMAuth()
 * @Get('legacy')
 * legacy() {}
 */
export function ApiMAuth(options: ApiMAuthOptions = {}): ClassDecorator & MethodDecorator {
  const isOptional = ownProperty(options, 'optional') === true;
  return applyDecorators(ApiSecurity(signed({})), ...(isOptional ? [ApiSecurity({})] : []));
}
