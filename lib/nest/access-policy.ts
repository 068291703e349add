import { MAuthConfigurationError } from '../config/errors.js';
import { isAppUuid } from '../protocol/app-uuid.js';
import { type AnyClass, marksOf, type AccessMarks, type RequiresMAuthOptions } from './access-metadata.js';
import { ownProperty } from '../protocol/own-properties.js';

/** What the decorators ask for at one handler. */
export class AccessPolicy {
  constructor(
    /**
     * `public`: nothing is looked at. `optional`: requests without authentication headers pass. `required`: nothing
     * but authentic requests passes.
     */
    readonly access: 'public' | 'optional' | 'required',
    /** Whether decorators ask for authentication here; where not, `protect` decides whether the guard runs at all. */
    readonly isAsked: boolean,
    /** UUIDs in lower case; undefined = every authentic app. */
    readonly apps?: ReadonlySet<string>,
    readonly maxBodyBytes?: number,
  ) {}
}

/** A handler as Nest names it: a class and one of its methods. */
export interface HandlerPlace {
  readonly controller: AnyClass;
  readonly handler: object & { readonly name: string };
}

/** Names for app UUIDs, as in the option `apps`. */
export type AppNames = Readonly<Record<string, string>>;

/**
 * Reads the decorators at a handler, of its class, and of their parents.
 *
 * Restrictions (`@RequiresMAuth`) come from every parent class and from every method that the handler overrides:
 * methods beat classes, and children beat parents, option by option. Relaxations (`@Public`, `@OptionalMAuth`) count
 * only on the handler's own method and on its own class, for whoever wrote them on a parent saw no other handlers
 * than that parent's. For the same reason a subclass that says `@RequiresMAuth()` itself closes methods that its
 * parents relaxed.
 *
 * @throws MAuthConfigurationError that names controller, handler and remedy
 */
export function accessPolicyOf(place: HandlerPlace, names: AppNames = {}): AccessPolicy {
  const lineage = lineageOf(place.controller);
  if (!lineage.some(isMarked)) return new AccessPolicy('required', false);
  const { key, declaredBy } = declarationOf(place, lineage);
  const onClasses = lineage.map((ancestor) => checked(marksOf(ancestor), ancestor.name));
  const onMethods = lineage.map(({ prototype, name }) =>
    checked(marksOf(prototype as object, key), `${name}.${key}`),
  );

  const isClosedAgain = onClasses.slice(0, declaredBy).some(({ requires }) => requires);
  const relaxation =
    (!isClosedAgain && relaxationIn(onMethods[declaredBy])) ||
    (!onMethods.some(({ requires }) => requires) && relaxationIn(onClasses[0])) ||
    undefined;
  if (relaxation === 'public') return new AccessPolicy('public', false);

  const written = [...onMethods, ...onClasses].flatMap(({ requires = [] }) => requires.toReversed());
  const apps = firstOf('apps', written);
  return new AccessPolicy(
    relaxation ?? 'required',
    relaxation !== undefined || written.length > 0,
    apps && new Set(apps.map((app) => appUuidOf(app, names, `${place.controller.name}.${key}`))),
    firstOf('maxBodyBytes', written),
  );
}

/** The class and its parents, the class itself first. */
function lineageOf(controller: AnyClass): AnyClass[] {
  const lineage: AnyClass[] = [];
  for (let one: unknown = controller; typeof one === 'function' && one !== Function.prototype;) {
    lineage.push(one as AnyClass);
    one = Object.getPrototypeOf(one);
  }
  return lineage;
}

/** Whether any decorator of ours is on the class or on one of its own methods. */
function isMarked(one: AnyClass): boolean {
  const prototype = one.prototype as object;
  const marks = [
    marksOf(one),
    ...Object.getOwnPropertyNames(prototype).map((key) => marksOf(prototype, key)),
  ];
  return marks.some(({ requires, public: isPublic, optional }) => requires ?? isPublic ?? optional);
}

/** Under which name the handler is declared, and by which class of the lineage. */
function declarationOf({ controller, handler }: HandlerPlace, lineage: readonly AnyClass[]) {
  const key = nameOf(handler, lineage);
  const declaredBy = lineage.findIndex(({ prototype }) => key && Object.hasOwn(prototype as object, key));
  if (key && declaredBy >= 0) return { key, declaredBy };
  throw new MAuthConfigurationError(
    `MAuth cannot tell which method of ${controller.name} is about to run (the function is named "${handler.name}"), ` +
      'so it cannot read the decorators there. Make it a method of the class.',
  );
}

function nameOf(handler: HandlerPlace['handler'], lineage: readonly AnyClass[]): string {
  for (const { prototype } of lineage) {
    const methods = Object.entries(Object.getOwnPropertyDescriptors(prototype as object));
    const found = methods.find(([, descriptor]) => ownProperty(descriptor, 'value') === handler);
    if (found) return found[0];
  }
  // Something has put a wrapper of the same name around the method after the class was made.
  return handler.name;
}

function relaxationIn(written: AccessMarks | undefined): 'public' | 'optional' | undefined {
  return written?.public ? 'public' : written?.optional ? 'optional' : undefined;
}

function firstOf<K extends keyof RequiresMAuthOptions>(option: K, written: readonly RequiresMAuthOptions[]) {
  return written.find((options) => options[option] !== undefined)?.[option];
}

function checked(written: AccessMarks, place: string): AccessMarks {
  const { requires = [], optional, public: isPublic } = written;
  const names = [
    isPublic && '@Public()',
    optional && '@OptionalMAuth()',
    requires.length && '@RequiresMAuth()',
  ];
  const contradicting = names.filter(Boolean);
  if (contradicting.length > 1)
    throw wrong(place, `carries ${contradicting.join(' and ')}; keep one of them.`);
  if (requires.filter(({ apps }) => apps).length > 1) {
    throw wrong(place, 'names `apps` in more than one @RequiresMAuth(); put all of them into one.');
  }
  for (const { apps, maxBodyBytes } of requires) {
    if (apps && !(Array.isArray(apps) && apps.length > 0)) {
      throw wrong(
        place,
        'carries @RequiresMAuth() with an empty `apps`; name the apps, or leave `apps` out.',
      );
    }
    if (maxBodyBytes !== undefined && !(Number.isSafeInteger(maxBodyBytes) && maxBodyBytes >= 0)) {
      throw wrong(place, 'carries @RequiresMAuth() whose `maxBodyBytes` is not a whole number of bytes.');
    }
  }
  return written;
}

function appUuidOf(app: string, names: AppNames, place: string): string {
  const uuid = Object.hasOwn(names, app) ? names[app] : app;
  if (isAppUuid(uuid)) return uuid.toLowerCase();
  const known = Object.keys(names).join(', ') || 'none';
  throw wrong(
    place,
    `is for the app ${JSON.stringify(app)}, which is neither a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e ` +
      `nor a name of the option \`apps\` (known: ${known}); correct it or add the name.`,
  );
}

function wrong(place: string, remedy: string): MAuthConfigurationError {
  return new MAuthConfigurationError(`${place} ${remedy}`);
}
