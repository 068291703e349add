import 'reflect-metadata';
import { Inject, Injectable, RequestMethod, type HttpServer } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { ownProperty } from '../protocol/own-properties.js';
import { type AnyClass, type HandlerPlace } from './access-policy.js';
import { type NestCore } from './nest-core.js';
import { MAUTH_NEST } from './tokens.js';

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

/** A route, and the handler behind it. */
export interface MappedRoute extends Omit<RegisteredRoute, 'handler'> {
  /** One, but where several controllers inherit a method and it cannot be told whose route this is. */
  readonly places: readonly HandlerPlace[];
}

type Handler = HandlerPlace['handler'];

interface RoutedPlace extends HandlerPlace {
  /** The class of the module that the controller is in. */
  readonly module: unknown;
}

// What the decorators of Nest write. Its names for these keys cannot be imported from the root of its packages.
const PATH = 'path';
const MODULE_PATH = '__module_path__';

const HANDLER = 'nestjs-mauth:handler';

/**
 * Which route leads to which handler. Paths are not computed, but taken from what Nest registers. Nest copies the
 * metadata of a handler to the function that it registers, so each handler is noted in its own metadata, and is
 * recognised by that.
 */
@Injectable()
export class RouteMap {
  readonly #modules: ModulesContainer;
  readonly #places = new Map<unknown, RoutedPlace[]>();

  /** To be made before routes are registered. */
  constructor(@Inject(MAUTH_NEST) { discovery, modules }: NestCore) {
    this.#modules = modules;
    const scanner = new MetadataScanner();
    for (const { metatype, host } of discovery.getControllers()) {
      const controller = metatype as AnyClass;
      const prototype = controller.prototype as Record<string, Handler | undefined>;
      for (const name of scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name];
        if (handler && Reflect.hasMetadata(PATH, handler)) {
          this.#add({ controller, handler, module: host?.metatype });
        }
      }
    }
  }

  /** Every handler that is to have a route. */
  get places(): readonly HandlerPlace[] {
    return [...this.#places.values()].flat();
  }

  /** Those of the routes that lead to handlers. */
  of(routes: readonly RegisteredRoute[]): MappedRoute[] {
    return routes.flatMap(({ method, path, handler }) => {
      const places = this.#placesOf(handler, path);
      return places.length > 0 ? [{ method, path, places }] : [];
    });
  }

  #add(place: RoutedPlace): void {
    const { handler } = place;
    Reflect.defineMetadata(HANDLER, handler, handler);
    const places = this.#places.get(handler);
    if (places) places.push(place);
    else this.#places.set(handler, [place]);
  }

  #placesOf(registered: object, path: string): readonly HandlerPlace[] {
    const places = this.#places.get(Reflect.getMetadata(HANDLER, registered)) ?? [];
    if (places.length < 2) return places;
    // Controllers that inherit a method share its function. Global prefix and version stand in front of their paths.
    const fitting = places.filter((place) => this.#pathsOf(place).some((ending) => path.endsWith(ending)));
    return fitting.length > 0 ? fitting : places;
  }

  #pathsOf({ controller, handler, module }: RoutedPlace): readonly string[] {
    const parts = [this.#modulePath(module), pathsOn(controller), pathsOn(handler)];
    return parts.reduce(
      (fronts, ends) => fronts.flatMap((front) => ends.map((end) => front + segments(end))),
      [''],
    );
  }

  /** `RouterModule` writes it down for one application. */
  #modulePath(module: unknown): readonly string[] {
    if (typeof module !== 'function') return [''];
    const key = `${MODULE_PATH}${this.#modules.applicationId}`;
    return [(Reflect.getMetadata(key, module) ?? Reflect.getMetadata(MODULE_PATH, module) ?? '') as string];
  }
}

function pathsOn(target: object): readonly string[] {
  return [(Reflect.getMetadata(PATH, target) ?? '') as string | string[]].flat();
}

/** With a leading slash and without a trailing one; empty for the root. */
function segments(path: string): string {
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  return trimmed === '' || trimmed.startsWith('/') ? trimmed : `/${trimmed}`;
}
