import 'reflect-metadata';
import { DECORATORS, type OpenAPIObject } from '@nestjs/swagger';
import { type HandlerPlace } from '../nest/access-policy.js';
import { type SecurityRequirement } from './mauth-security.js';

type PathItem = OpenAPIObject['paths'][string];

/** An operation of a document. */
export type Operation = NonNullable<PathItem['get']>;

/** An operation, where it stands, and the handlers that may be behind it. */
export interface PlacedOperation {
  readonly operation: Operation;
  readonly method: string;
  /** As in the document. */
  readonly path: string;
  /** One, but where controllers share a handler whose `@ApiOperation()` names its own security. */
  readonly places: readonly HandlerPlace[];
}

const CLASS_MARK = 'nestjs-mauth:class:';
const HANDLER_MARK = 'nestjs-mauth:handler:';

/**
 * Makes a document, and tells which handler each of its operations is of. Documents name neither class nor handler, and
 * their operation IDs are the application's own. So classes and handlers are marked by a security requirement of
 * swagger's metadata while the document is made; afterwards the marks are gone from both.
 */
export function documentWithPlaces<Document extends OpenAPIObject>(
  places: readonly HandlerPlace[],
  make: () => Document,
): { readonly document: Document; readonly operations: readonly PlacedOperation[] } {
  const classes = [...new Set(places.map(({ controller }) => controller))];
  const handlers = [...new Set(places.map(({ handler }) => handler))];
  const undo = [
    ...classes.map((one, index) => mark(one, `${CLASS_MARK}${index}`)),
    ...handlers.map((one, index) => markHandler(one, `${HANDLER_MARK}${index}`)),
  ];
  let document: Document;
  try {
    document = make();
  } finally {
    for (const restore of undo) restore();
  }
  const operations = operationsOf(document).map(({ operation, method, path }): PlacedOperation => {
    const marks = takeMarks(operation);
    const fitting = places.filter(
      ({ controller, handler }) =>
        marks.has(`${HANDLER_MARK}${handlers.indexOf(handler)}`) &&
        (marks.size === 1 || marks.has(`${CLASS_MARK}${classes.indexOf(controller)}`)),
    );
    return { operation, method, path, places: fitting };
  });
  return { document, operations };
}

/** What `@ApiOperation()` says of security replaces what `@ApiSecurity()` says. */
function markHandler(handler: object, name: string): () => void {
  const operation = Reflect.getMetadata(DECORATORS.API_OPERATION, handler) as Partial<Operation> | undefined;
  if (!operation?.security) return mark(handler, name);
  const security = [...operation.security, { [name]: [] }];
  return replace(handler, DECORATORS.API_OPERATION, { ...operation, security });
}

/** A class inherits the metadata of its parents; a parent's mark is not its own, and would name two classes. */
function mark(target: object, name: string): () => void {
  const before = (Reflect.getMetadata(DECORATORS.API_SECURITY, target) ?? []) as SecurityRequirement[];
  const own = before.filter((requirement) => !isMark(requirement));
  return replace(target, DECORATORS.API_SECURITY, [...own, { [name]: [] }]);
}

/** @returns puts back what was there */
function replace(target: object, key: string, value: unknown): () => void {
  const isOwn = Reflect.hasOwnMetadata(key, target);
  const before: unknown = Reflect.getOwnMetadata(key, target);
  Reflect.defineMetadata(key, value, target);
  return () => {
    if (isOwn) Reflect.defineMetadata(key, before, target);
    else Reflect.deleteMetadata(key, target);
  };
}

/** Removes the marks, so that the operation is as it would have been without them. */
function takeMarks(operation: Operation): ReadonlySet<string> {
  const security = operation.security ?? [];
  const marks = new Set(security.filter(isMark).flatMap((requirement) => Object.keys(requirement)));
  if (marks.size === 0) return marks;
  const own = security.filter((requirement) => !isMark(requirement));
  const isExplicit = !hasClassMark(marks);
  if (own.length > 0 || isExplicit) operation.security = own;
  else delete operation.security;
  return marks;
}

function isMark(requirement: SecurityRequirement): boolean {
  return Object.keys(requirement).some(
    (name) => name.startsWith(CLASS_MARK) || name.startsWith(HANDLER_MARK),
  );
}

/** Without one, `@ApiOperation()` named the security itself, and that may be none. */
function hasClassMark(marks: ReadonlySet<string>): boolean {
  return [...marks].some((name) => name.startsWith(CLASS_MARK));
}

function operationsOf(document: OpenAPIObject): Omit<PlacedOperation, 'places'>[] {
  const { webhooks = {} } = document as { webhooks?: OpenAPIObject['paths'] };
  return [...Object.entries(document.paths), ...Object.entries(webhooks)].flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, unknown>>).flatMap(([method, operation]) =>
      isOperation(operation) ? [{ operation, method, path }] : [],
    ),
  );
}

/** Beside operations there are texts, and lists of parameters and of servers. */
function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'responses' in value;
}
