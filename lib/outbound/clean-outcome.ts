import { type ClientRequest } from 'node:http';
import { detachedBody } from './detached-body.js';
import {
  errorInWords,
  isError,
  isObject,
  mayShowSignature,
  readProperty,
  withoutSignatures,
} from './signature-traces.js';
import { isMAuthHeader } from './header-fields.js';
import { hideConnections } from './hidden-connections.js';
/*
 * Errors end in logs, and so do responses. For five minutes a signature is as good as the request that it was made
 * for, so nothing that leaves us leads to one: not the request of Node or fetch, not its headers, its socket, its
 * agent, nor what an adapter of the caller's own has noted.
 */

/** What is looked at of axios' config and response; `signedFetch`, which serves without axios, cleans its errors, too. */
interface Config {
  readonly headers?: unknown;
}
interface ResponseOf<C extends Config> {
  config: C;
  request?: unknown;
  data: unknown;
  readonly headers: unknown;
}

/** Responses that are clean, with their configs. */
const cleaned = new WeakMap<object, Config>();

const REMOVED = '[removed: it may hold a MAuth signature]';

/**
 * The response with what its caller needs, and nothing that leads to a signature of the request.
 *
 * @param config of the caller: a repeated request must start from that one, and not from the one that was signed
 */
export function cleanResponse<C extends Config, R extends ResponseOf<C>>(response: R, config?: C): R {
  if (!isObject(response)) return response;
  // The adapter has done it, and nothing has come in between.
  if (!config && cleaned.get(response) === response.config) return response;
  if (config) response.config = config;
  if (isObject(response.config)) cleanConfig(response.config);
  if (response.request) response.request = describedRequest(response.request);
  response.data = detachedBody(response.data, (error) => cleanError(error, config));
  cleaned.set(response, response.config);
  return response;
}

/** The config without MAuth headers, and with stand-ins for its agents. */
export function cleanConfig(config: Config): void {
  removeMAuthHeaders(config.headers);
  hideConnections(config);
}

/**
 * The error itself, as long as it can be changed: with `config`, a description for its `request`, and its response,
 * its causes and everything else cleaned in their turn.
 *
 * @param config of the caller, for errors of axios
 */
export function cleanError(error: unknown, config?: Config): unknown {
  return new ErrorCleaning().clean(error, config);
}

class ErrorCleaning {
  readonly #seen = new Map<object, unknown>();

  clean(error: unknown, config?: Config): unknown {
    if (typeof error === 'string') return withoutSignatures(error);
    if (!isObject(error)) return error;
    if (this.#seen.has(error)) return this.#seen.get(error);
    this.#seen.set(error, error);
    for (const name of Reflect.ownKeys(error)) {
      const value = readProperty(error, name);
      const cleaned = this.#cleanedProperty(name, value, config);
      if (cleaned === value || replaceProperty(error, name, cleaned)) continue;
      // What cannot be changed is not passed on.
      const substitute = errorInWords(error);
      this.#seen.set(error, substitute);
      return substitute;
    }
    return error;
  }

  #cleanedProperty(name: PropertyKey, value: unknown, config: Config | undefined): unknown {
    if (typeof value === 'string') return withoutSignatures(value);
    if (!isObject(value)) return value;
    if (isError(value)) return this.clean(value);
    if (name === 'config') return this.#config(value, config);
    if (name === 'request') return describedRequest(value);
    if (name === 'response' && isAxiosResponse(value)) return this.#response(value, config);
    if (name === 'errors' && Array.isArray(value)) return this.#all(value);
    return typeof value === 'object' && mayShowSignature(value) ? REMOVED : value;
  }

  #all(errors: unknown[]): unknown[] {
    const cleaned = errors.map((error) => this.#cleanedProperty('', error, undefined));
    return cleaned.every((error, index) => error === errors[index]) ? errors : cleaned;
  }

  #config(found: Config, config: Config | undefined): Config {
    cleanConfig(config ?? found);
    return config ?? found;
  }

  #response(response: ResponseOf<Config>, config: Config | undefined): ResponseOf<Config> {
    // The signature of the response, too: to verify it by hand, accept its status.
    removeMAuthHeaders(response.headers);
    return cleanResponse(response, config);
  }
}

function isAxiosResponse(value: object): value is ResponseOf<Config> {
  return 'status' in value && 'headers' in value && 'config' in value;
}

function removeMAuthHeaders(headers: unknown): void {
  if (!isObject(headers)) return;
  for (const name of Object.keys(headers)) {
    if (isMAuthHeader(name)) Reflect.deleteProperty(headers, name);
  }
}

function replaceProperty(object: object, name: PropertyKey, value: unknown): boolean {
  const { enumerable } = Reflect.getOwnPropertyDescriptor(object, name) ?? {};
  const descriptor = { value, enumerable, writable: true, configurable: true };
  return Reflect.defineProperty(object, name, descriptor) || Reflect.set(object, name, value);
}

/**
 * Stands in `request` of errors and responses, where axios leaves the request of Node or of fetch: that one holds the
 * signature, and leads to other requests by way of its agent.
 */
export class SentRequest {
  readonly method?: string;
  readonly url?: string;
  /** Such as `https:`. */
  readonly protocol?: string;
  /** Without the port. */
  readonly host?: string;
  /** With the query. */
  readonly path?: string;
  /** Where an answer came, and from which URL, after all redirects. */
  readonly res?: { readonly statusCode?: number; readonly responseUrl?: string };

  constructor(request: object) {
    const res = readProperty(request, 'res');
    const responseUrl = isObject(res) ? text(res, 'responseUrl') : undefined;
    const url = parsed(responseUrl ?? text(request, 'url') ?? text(request, '_currentUrl') ?? urlOf(request));
    // Of HTTP/2, and of follow-redirects.
    const sent = object(request, 'sentHeaders');
    const options = object(request, '_options');
    this.method = text(request, 'method') ?? text(sent, ':method') ?? text(options, 'method');
    this.url = url?.href;
    this.protocol = url?.protocol ?? text(request, 'protocol') ?? text(options, 'protocol');
    this.host = url?.hostname ?? text(request, 'host') ?? text(options, 'hostname');
    this.path = url ? url.pathname + url.search : (text(request, 'path') ?? text(sent, ':path'));
    if (isObject(res)) this.res = { statusCode: status(res), responseUrl };
  }
}

const described = new WeakMap<object, SentRequest>();

/** The description of a request; data of an adapter of the caller's own stays as it is. */
export function describedRequest(request: unknown): unknown {
  if (!isObject(request) || request instanceof SentRequest || !mayShowSignature(request)) return request;
  const description = described.get(request) ?? new SentRequest(request);
  described.set(request, description);
  return description;
}

function text(from: object, name: string): string | undefined {
  const value = readProperty(from, name);
  return typeof value === 'string' ? withoutSignatures(value) : undefined;
}

/** Of a request of Node that got no answer. */
function urlOf(request: object): string | undefined {
  const [protocol, path] = [text(request, 'protocol'), text(request, 'path')];
  const { getHeader } = request as Partial<ClientRequest>;
  const host = typeof getHeader === 'function' ? getHeader.call(request, 'host') : undefined;
  return protocol && path?.startsWith('/') && typeof host === 'string'
    ? `${protocol}//${host}${path}`
    : undefined;
}

function object(from: object, name: string): object {
  const value = readProperty(from, name);
  return isObject(value) ? value : {};
}

function status(res: object): number | undefined {
  const value = readProperty(res, 'statusCode');
  return typeof value === 'number' ? value : undefined;
}

function parsed(url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
}
