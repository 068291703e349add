import { RequestMethod, type HttpServer } from '@nestjs/common';
import { ownProperty } from '../protocol/own-properties.js';

/** A route as Nest hands it to the HTTP adapter. */
export interface RegisteredRoute {
  /** As in the enum `RequestMethod`; `ALL` = any method. */
  readonly method: string;
  /** The whole of it, with global prefix, version, path of the module, of the controller and of the handler. */
  readonly path: string;
  /** Nest's own function around the handler; it carries the metadata of the handler. */
  readonly handler: object;
}

const METHODS = Object.keys(RequestMethod).filter((name) => Number.isNaN(Number(name)));

/**
 * Writes down the routes that are registered through an adapter from now on. Where prefixes, versions and modules put
 * a handler is Nest's business, and this is the place at which Nest tells.
 *
 * @returns a list that grows
 */
export function recordRoutes(adapter: HttpServer): readonly RegisteredRoute[] {
  const routes: RegisteredRoute[] = [];
  const verbs = adapter as unknown as Record<string, unknown>;
  for (const method of METHODS) {
    const name = method.toLowerCase();
    const register = ownProperty(verbs, name);
    if (typeof register !== 'function') continue;
    verbs[name] = (...parameters: unknown[]): unknown => {
      const [path, handler] = parameters;
      if (typeof path === 'string' && typeof handler === 'function') routes.push({ method, path, handler });
      return register.apply(adapter, parameters) as unknown;
    };
  }
  return routes;
}
