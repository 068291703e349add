import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type MaybePromise } from '../authentication/maybe-promise.js';
import { type RequestPair } from './request-pair.js';

/** Called by a platform for each request. */
export interface RequestHooks {
  /**
   * Before anything can read the request or rewrite its target. May be called more than once.
   *
   * @param isRouted a route has the request now, and the server does not write that down itself
   */
  arrive(request: IncomingMessage, response: ServerResponse, isRouted?: boolean): void;
  /**
   * Before anything can answer the request; only where there is a gate. Resolves to false when the gate has
   * answered: then nothing else may run. May be called more than once.
   */
  readonly allow: ((pair: RequestPair) => MaybePromise<boolean>) | undefined;
}

/** The targets of a request, which each server notes in its own way. */
export interface TargetReader {
  /** Every path and query that a router may go by: at the moment, which is the first of them, or later on. */
  routedTargets(request: IncomingMessage): readonly string[];
  /** Whether a route has the request now: body parsers are done with it, or were not called. */
  isRouted(request: IncomingMessage): boolean;
}

/** The layers that the application brought along: they stand in front of what is installed now. */
export interface EarlierLayers {
  /** The layers that answer requests, by their kind in plain words, such as `route`. */
  readonly answering: readonly string[];
  /** Whether there is more that may answer, of which nothing can be told before it does. */
  readonly mayAnswer: boolean;
}

/** The differences between Express and Fastify. */
export interface InboundPlatform extends TargetReader {
  /** Puts the entry in front of the application; to be called before body parsers are installed. */
  install(entry: RequestHooks): void;
  /** To be asked before anything is installed. */
  earlierLayers(): EarlierLayers;
  /** Path and query as the application routes them; to be asked where the entry is. */
  routedTarget(request: IncomingMessage): string;
}
