import { Injectable, type HttpServer } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type MaybePromise } from '../authentication/and-then.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { type MAuthSettings } from '../mauth.options.js';
import { Door } from './door.js';
import { type Exchange } from './exchange.js';
import { type ExemptPaths } from './exempt-paths.js';
import { ExpressPlatform } from './express.platform.js';
import { FastifyPlatform } from './fastify.platform.js';
import { type InboundPlatform } from './platform.js';
import { RequestAuthenticator } from './request-authenticator.js';
import { type ResponseSigning } from './response-signing.js';

/** What of the application is protected, as far as it concerns the way in. */
export interface DoorOptions {
  readonly protect: 'decorated' | 'routes' | 'everything';
  /** What passes the door of `everything`, and `MAuthMiddleware`. */
  readonly exempt: ExemptPaths;
}

/**
 * Authenticates the requests of a Nest application. It watches every request from its first byte on, in front of
 * body parsers and handlers, on Express and on Fastify.
 */
@Injectable()
export class InboundAuthenticator extends RequestAuthenticator {
  readonly #settings: MAuthSettings;
  readonly #door: Door;
  readonly #standsInFront: boolean;

  constructor(
    adapterHost: HttpAdapterHost,
    settings: MAuthSettings,
    authenticator: MAuthAuthenticator,
    { protect, exempt }: DoorOptions,
    responses?: ResponseSigning,
  ) {
    super(settings, authenticator, (arrival) => responses?.watch(arrival));
    this.#settings = settings;
    this.#door = new Door(settings, exempt, ({ request }) => this.authenticate(request));
    this.#standsInFront = protect === 'everything';
    // The only moment at which an adapter is there and has no body parser yet.
    adapterHost.init$.subscribe(() => this.#install(adapterHost.httpAdapter));
  }

  /**
   * The door, wherever it is asked: whether the request may go on. If not, it has been answered.
   *
   * @param target path and query as the application routes them
   */
  admits(exchange: Exchange, target: string): MaybePromise<boolean> {
    return this.#door.admits(exchange, target);
  }

  #install(adapter: HttpServer | null | undefined): void {
    if (!adapter) return;
    const platform = platformOf(adapter);
    if (!platform) {
      this.#settings.logger.error(
        `MAuth: HTTP adapter "${adapter.getType()}" is not supported, so no request can be authenticated; use Express or Fastify`,
      );
      return;
    }
    if (this.#standsInFront && platform.hasEarlierRoutes()) {
      this.#settings.logger.error(
        'MAuth: routes were registered on the HTTP server instance before the application was created, so they stand ' +
          "in front of the door of `protect: 'everything'` and answer unsigned requests; register them afterwards.",
      );
    }
    platform.install({
      arrive: (request, response, isRouted) => this.receive(platform, request, response, isRouted),
      ...(this.#standsInFront && {
        admit: (exchange: Exchange) => this.admits(exchange, platform.routedTarget(exchange.request)),
      }),
    });
  }
}

function platformOf(adapter: HttpServer): InboundPlatform | undefined {
  switch (adapter.getType()) {
    case 'express':
      return new ExpressPlatform(adapter);
    case 'fastify':
      return new FastifyPlatform(adapter);
    default:
      return undefined;
  }
}
