import { type IncomingMessage } from 'node:http';
import { isAmbiguousTarget, pathOf } from '../authentication/path-policy.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type HandlerPlace, type AccessPolicies, type AccessPolicy } from './access-policy.js';
import { type ExemptPaths } from '../http/gate.js';
import { isSigned } from '../http/request-pair.js';
import { type MappedRoute, type RouteMap } from './route-map.js';

type Relaxation = 'public' | 'optional';

/** The methods that are open at one path. */
type Methods = Map<string, Relaxation>;

const PLAIN_PATH = /^\/[A-Za-z0-9._~@$&',=/-]*$/;

/**
 * What the decorators open in the gate of `protect: 'everything'`: the routes of handlers with `@Public()` and
 * `@OptionalMAuth()`, for their own methods. The guard stands behind the gate and looks at each handler, so a route
 * that is shared with a closed handler (another version, another host) opens nothing else.
 *
 * Paths are compared as they are on the wire. A router reads several spellings of a path alike; every spelling but
 * one stays closed.
 */
export class OpenRoutes {
  readonly #paths = new Map<string, Methods>();
  readonly #exempt = new WeakMap<object, WeakMap<object, Set<string>>>();

  /** Whether a request passes unsigned, for the route that it asks for. */
  allows(request: IncomingMessage, target: string): boolean {
    const methods = this.#paths.get(pathOf(target));
    if (!methods) return false;
    const { method = '' } = request;
    // Both routers answer HEAD by the handler for GET.
    const found = [methods.get(method), methods.get('ALL'), method === 'HEAD' && methods.get('GET')];
    return found.includes('public') || (found.includes('optional') && !isSigned(request.headers));
  }

  /** Exempt paths that are routes of the handler, if no decorator protects it. */
  exemptPathsOf({ controller, handler }: HandlerPlace): ReadonlySet<unknown> | undefined {
    return this.#exempt.get(controller)?.get(handler);
  }

  /**
   * @param routes as they are registered
   * @throws MAuthConfigurationError that names handlers whose decorators cannot open the gate, and the remedies
   */
  open(map: RouteMap, routes: readonly MappedRoute[], policies: AccessPolicies, exempt: ExemptPaths): void {
    const accessOf = (place: HandlerPlace) => policies.of(place).access;
    for (const { method, path, places } of routes) {
      for (const place of places) if (exempt.has(path)) this.#exemptHandler(place, path, policies.of(place));
      const relaxations = places.map(accessOf).filter(isRelaxation);
      // Where it cannot be told whose route this is, all of them must mean it.
      if (relaxations.length === places.length && isPlain(path)) this.#openRoute(method, path, relaxations);
    }
    const relaxed = map.places.filter((place) => isRelaxation(accessOf(place)));
    refuseClosed(relaxed.flatMap((place) => this.#closedRoutes(place, routes)));
  }

  #openRoute(method: string, path: string, relaxations: readonly Relaxation[]): void {
    const methods: Methods = this.#paths.get(path) ?? new Map<string, Relaxation>();
    const isPublic = relaxations.includes('public') || methods.get(method) === 'public';
    this.#paths.set(path, methods.set(method, isPublic ? 'public' : 'optional'));
  }

  #exemptHandler({ controller, handler }: HandlerPlace, path: string, policy: AccessPolicy): void {
    if (policy.isDeclared || policy.access !== 'required') return;
    const handlers = this.#exempt.get(controller) ?? new WeakMap<object, Set<string>>();
    this.#exempt.set(controller, handlers.set(handler, (handlers.get(handler) ?? new Set()).add(path)));
  }

  /** The fault of a handler that is meant to be reached unsigned. */
  #closedRoutes(place: HandlerPlace, routes: readonly MappedRoute[]): string[] {
    const name = `${place.controller.name}.${place.handler.name}`;
    const own = routes.filter(({ places }) => places.some((one) => isSame(one, place)));
    if (own.length === 0) return [`${name} (Nest registered no route for this method itself)`];
    return own
      .filter(({ method, path }) => !this.#paths.get(path)?.has(method))
      .map(({ method, path, places }) => {
        const others = places.filter((one) => !isSame(one, place)).map(({ controller }) => controller.name);
        const reason = isPlain(path) ? `may be the route of ${others.join(', ')} as well` : 'is not one path';
        return `${name} (${method} ${path} ${reason})`;
      });
  }
}

function isRelaxation(access: AccessPolicy['access']): access is Relaxation {
  return access !== 'required';
}

function isSame(one: HandlerPlace, other: HandlerPlace): boolean {
  return one.controller === other.controller && one.handler === other.handler;
}

/** Whether a route stands for one path, which is spelled in a request as it is in the route. */
function isPlain(path: string): boolean {
  return PLAIN_PATH.test(path) && !isAmbiguousTarget(path);
}

function refuseClosed(closed: readonly string[]): void {
  if (closed.length === 0) return;
  throw new MAuthConfigurationError(
    "With `protect: 'everything'`, @Public() and @OptionalMAuth() open the gate for the one path that is the route of " +
      `the handler. That cannot be done for ${closed.join(', ')}. Give the handler a method of its own and a route ` +
      'without parameters, wildcards and characters that are encoded in a URL; or take the decorator away, so that ' +
      "callers sign; or use `protect: 'routes'`, which has no gate.",
  );
}
