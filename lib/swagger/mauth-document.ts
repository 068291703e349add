import { type INestApplication } from '@nestjs/common';
import { SwaggerModule, type OpenAPIObject, type SwaggerDocumentOptions } from '@nestjs/swagger';
import { MAuthConfigurationError } from '../config/errors.js';
import { type HandlerPlace } from '../nest/access-policy.js';
import { handlerProtection, strictest, type HandlerProtection } from '../nest/handler-protection.js';
import { type InboundAuthenticator } from '../nest/inbound-authenticator.js';
import { type MAuthProtection } from '../nest/module-options.js';
import { RouteMap } from '../nest/route-map.js';
import { MAUTH_INBOUND_AUTHENTICATOR, MAUTH_PROTECT } from '../nest/tokens.js';
import { ownProperty } from '../protocol/own-properties.js';
import { asksForSignature, MAUTH_SCHEMES, signed, type SecurityRequirement } from './mauth-security.js';
import { documentWithPlaces, type Operation, type PlacedOperation } from './operation-places.js';

/**
 * Makes the OpenAPI document of an application, as `SwaggerModule.createDocument` does, and says in it which operations
 * want signed requests. It reads the access policy of the guard: decorators, `protect` and `exempt`.
 *
 * - Signed operations ask for the security schemes `mauth-v2` and `mauth-v2-time` together, beside what else they ask
 *   for; where signing is optional, the alternative without them stands there as well.
 * - They answer 401 and 503, and 403 where `apps` is given. Descriptions that are there already stay.
 * - Operations that are open to every caller are left as they are.
 *
 * To be called where `createDocument` would be: after prefix and versioning are set.
 *
 * @param app the application, with MAuthModule in it
 * @param config what `DocumentBuilder` builds
 * @param options those of `createDocument`
 * @returns the document, for `SwaggerModule.setup`
 * @throws MAuthConfigurationError where the application has no MAuthModule, or decorators of ours are wrong
 *
 * @example
 * const config = new DocumentBuilder().setTitle('Studies').build();
 * SwaggerModule.setup('docs', app, createMAuthDocument(app, config));
 */
export function createMAuthDocument(
  app: INestApplication,
  config: Omit<OpenAPIObject, 'paths'>,
  options: SwaggerDocumentOptions = {},
): OpenAPIObject {
  const access = accessOf(app);
  const make = (own: SwaggerDocumentOptions) =>
    documentWithPlaces(access.places, () => SwaggerModule.createDocument(app, config, own));
  const { document, operations } = make(options);
  // The gate goes by whole paths, and some routes are excluded from the prefix: another document tells which.
  const isShort = ownProperty(options, 'ignoreGlobalPrefix') === true;
  const whole = isShort ? make({ ...options, ignoreGlobalPrefix: false }).operations : [];
  for (const placed of operations)
    markOperation(placed, routedPath(placed, whole), document.security, access);
  document.components = {
    ...document.components,
    securitySchemes: { ...MAUTH_SCHEMES, ...document.components?.securitySchemes },
  };
  return document;
}

interface Access {
  readonly places: readonly HandlerPlace[];
  protectionOf(place: HandlerPlace, path: string): HandlerProtection;
}

function accessOf(app: INestApplication): Access {
  const inbound = provided<InboundAuthenticator>(app, MAUTH_INBOUND_AUTHENTICATOR);
  const protect = provided<MAuthProtection>(app, MAUTH_PROTECT);
  return {
    places: provided<RouteMap>(app, RouteMap).places,
    protectionOf: (place, path) => handlerProtection(inbound, protect, place, path),
  };
}

function provided<T>(app: INestApplication, token: symbol | typeof RouteMap): T {
  try {
    return app.get<T>(token, { strict: false });
  } catch (cause) {
    throw new MAuthConfigurationError(
      'createMAuthDocument needs an application with MAuthModule: import MAuthModule.forRoot() or forRootAsync() in its ' +
        'root module.',
      { cause },
    );
  }
}

/**
 * The path that requests have.
 *
 * @param whole the same operations with their whole paths, where those of the document are shorter
 */
function routedPath({ method, path, places }: PlacedOperation, whole: readonly PlacedOperation[]): string {
  const end = path.replace(/\/$/, '');
  const candidates = whole
    .filter((one) => one.method === method && one.path.endsWith(end))
    .filter((one) => one.places.every((place) => places.includes(place)))
    .map((one) => one.path);
  // A handler may have several routes; the shortest has nothing but the prefix in front.
  const [shortest = path] = candidates.sort((one, other) => one.length - other.length);
  return shortest;
}

function markOperation(
  { operation, places }: PlacedOperation,
  path: string,
  general: readonly SecurityRequirement[] | undefined,
  access: Access,
): void {
  const protections = places.map((place) => access.protectionOf(place, path));
  const byHand = operation.security ?? [];
  const protection = strictest(protections);
  if (protection.access === 'open') {
    if (byHand.some(asksForSignature)) addResponses(operation, protection);
    return;
  }
  const others = byHand.filter((requirement) => !asksForSignature(requirement));
  const wanted = others.length > 0 ? others : byHand.length > 0 ? [{}] : (general ?? [{}]);
  const alternatives = wanted.length > 0 ? wanted : [{}];
  operation.security = alternatives.flatMap((requirement) =>
    protection.access === 'optional' ? [signed(requirement), requirement] : [signed(requirement)],
  );
  addResponses(operation, protection);
}

function addResponses(operation: Operation, { isForSomeApps }: HandlerProtection): void {
  operation.responses = {
    ...operation.responses,
    ...missing(operation, '401', 'The request is not signed, or its signature is not authentic.'),
    ...(isForSomeApps &&
      missing(operation, '403', 'The app that signed the request may not call this operation.')),
    ...missing(operation, '503', 'It cannot be decided at the moment whether the request is authentic.'),
  };
}

function missing({ responses }: Operation, status: string, description: string): Operation['responses'] {
  return status in responses ? {} : { [status]: { description } };
}
