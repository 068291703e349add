import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type HttpServer } from '@nestjs/common';
import { RequestPair, originalTarget, type MountedRequest } from '../../http/request-pair.js';
import { passGate } from '../../http/gate.js';
import { type EarlierLayers, type RequestHooks, type InboundPlatform } from '../../http/platform.js';
import { ownProperty } from '../../protocol/own-properties.js';

/** What Express adds to Node's request. */
type ExpressRequest = MountedRequest & { route?: unknown };

/** A middleware, a route or a mounted router, in the order in which Express calls them. */
interface ExpressLayer {
  readonly route?: unknown;
  /** A function with four parameters is for errors. */
  readonly handle?: Middleware & { readonly stack?: unknown };
}

type Next = (error?: unknown) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** As much of an Express application as is used here. */
interface ExpressApplication {
  /** What servers and other Express applications hand requests to. */
  handle?: Middleware;
  readonly router?: { readonly stack?: readonly ExpressLayer[] };
}

type SecuredAdapter = HttpServer & { registerSecurityHook?: (hook: unknown) => unknown };

/** In front of Express itself; the gate is a middleware, and `app.use` in `main.ts` comes after it. */
export class ExpressPlatform implements InboundPlatform {
  readonly #adapter: HttpServer;

  constructor(adapter: HttpServer) {
    this.#adapter = adapter;
  }

  install(entry: RequestHooks): void {
    this.#takeIn(entry);
    if (!entry.allow) return;
    const admit = entry.allow.bind(entry);
    this.#keepPlaceInFront();
    this.#adapter.use((request: IncomingMessage, response: ServerResponse, next: Next) =>
      passGate(admit(new RequestPair(request, response)), next, next),
    );
  }

  routedTarget(request: MountedRequest): string {
    return originalTarget(request);
  }

  routedTargets(request: MountedRequest): readonly string[] {
    return [originalTarget(request)];
  }

  isRouted(request: ExpressRequest): boolean {
    return ownProperty(request, 'route') !== undefined;
  }

  earlierLayers(): EarlierLayers {
    const layers = ownProperty(ownProperty(this.#application(), 'router'), 'stack') ?? [];
    const kinds = layers.map(kindOf);
    const answering = kinds.filter((kind) => kind !== 'middleware');
    return { answering, mayAnswer: kinds.length > answering.length };
  }

  /**
   * Express gives each request another prototype, whereupon V8 knows nothing of its shape: from then on everything that
   * is looked at on the request has to be searched for, each time.
   */
  #takeIn(entry: RequestHooks): void {
    const application = this.#application();
    const handle = ownProperty(application, 'handle');
    if (!handle) {
      // Something that only looks like Express.
      this.#adapter.use((request: IncomingMessage, response: ServerResponse, next: Next) => {
        entry.arrive(request, response);
        next();
      });
      return;
    }
    application.handle = (request, response, next) => {
      entry.arrive(request, response);
      handle.call(application, request, response, next);
    };
  }

  #application(): ExpressApplication {
    return this.#adapter.getInstance() as ExpressApplication;
  }

  /**
   * Preflight requests are not signed, so `app.enableCors()` belongs in front of the gate, and so do the headers of
   * `app.useSecurityHeaders()`. They are called when the gate is there already. On Fastify the adapter itself keeps a
   * place in front.
   */
  #keepPlaceInFront(): void {
    const adapter = this.#adapter;
    const place: Middleware[] = [];
    adapter.use((request: IncomingMessage, response: ServerResponse, next: Next) =>
      place.reduceRight<Next>(
        (after, middleware) => (error) => (error ? next(error) : middleware(request, response, after)),
        next,
      )(),
    );
    const inPlace = Object.create(adapter, {
      use: { value: (middleware: Middleware) => place.push(middleware) },
    }) as HttpServer;
    adapter.enableCors = adapter.enableCors.bind(inPlace);
    // Nest 12 alone has it: for `app.useSecurityHeaders()` and `app.enableCsrfProtection()`.
    const registerSecurityHook = ownProperty(adapter as SecuredAdapter, 'registerSecurityHook');
    if (registerSecurityHook)
      Object.assign(adapter, { registerSecurityHook: registerSecurityHook.bind(inPlace) });
  }
}

/** Named after its handler: Express names the one of mounted applications, and `serve-static` its own. */
function kindOf(layer: ExpressLayer): string {
  const handle = ownProperty(layer, 'handle');
  if (ownProperty(layer, 'route') !== undefined) return 'route';
  if (Array.isArray(ownProperty(handle, 'stack'))) return 'router';
  if (handle?.name === 'mounted_app') return 'mounted application';
  if (handle?.name === 'serveStatic') return 'folder of static files';
  // Without a third parameter it has nothing to pass requests on with.
  if (handle && handle.length < 3) return 'middleware that always answers';
  return 'middleware';
}
