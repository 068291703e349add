import {
  type Adapter,
  type AdapterChoice,
  type AxiosInstance,
  type AxiosResponse,
  type RequestConfig,
} from './axios-types.js';
import { signingAdapter, type SigningParts } from './signing-adapter.js';
import { revealConnections } from '../hidden-connections.js';
import { isObject } from '../signature-traces.js';

// Found again by another copy of this library too, so that a repeated request is not signed twice.
const WRAPPED = Symbol.for('nestjs-mauth:wrapped-adapter');
const partsOfAdapters = new WeakMap<object, SigningParts>();
const guards = new WeakMap<object, SigningParts>();

/** The config, or a copy if it is closed to changes, with an adapter that signs over whichever it has. */
export function withSigning(config: RequestConfig, parts: SigningParts): RequestConfig {
  // axios says what is wrong with an interceptor that returns nothing.
  if (!isObject(config) || isSettled(config, parts)) return config;
  const own = Object.isExtensible(config) ? config : { ...config };
  revealConnections(own);
  own.adapter = wrapped(own.adapter, parts);
  own.transformRequest = [...transforms(own), guard(parts)];
  return own;
}

/** Whether no interceptor has changed what was done here. */
function isSettled({ adapter, transformRequest }: RequestConfig, parts: SigningParts): boolean {
  const last: unknown = Array.isArray(transformRequest) ? transformRequest.at(-1) : undefined;
  return (
    typeof adapter === 'function' &&
    partsOfAdapters.get(adapter) === parts &&
    typeof last === 'function' &&
    guards.get(last) === parts
  );
}

function wrapped(choice: AdapterChoice, parts: SigningParts): Adapter {
  const known = typeof choice === 'function' ? partsOfAdapters.get(choice) : undefined;
  if (known === parts) return choice as Adapter;
  // The config of a request that is repeated has been wrapped before.
  const original =
    typeof choice === 'function' && WRAPPED in choice ? (choice[WRAPPED] as AdapterChoice) : choice;
  const sign = signingAdapter(original, parts);
  const adapter: Adapter = (config) => {
    config.transformRequest = transforms(config);
    return sign(config);
  };
  partsOfAdapters.set(adapter, parts);
  return Object.assign(adapter, { [WRAPPED]: original });
}

type Transform = Extract<RequestConfig['transformRequest'], (...given: never[]) => unknown>;

/** The caller's transforms of the request. */
function transforms({ transformRequest }: RequestConfig): Transform[] {
  return [transformRequest ?? []].flat().filter((transform) => !guards.has(transform));
}

/** axios looks at `adapter` after the transforms, which get the config as `this` and could set another one. */
function guard(parts: SigningParts): Transform {
  const transform: Transform = function (this: RequestConfig, data: unknown) {
    this.adapter = wrapped(this.adapter, parts);
    return data;
  };
  guards.set(transform, parts);
  return transform;
}

/** What axios keeps of an interceptor. */
interface Interceptor<V> {
  readonly fulfilled?: (value: V) => V | Promise<V>;
  readonly rejected?: (error: unknown) => unknown;
  readonly synchronous?: boolean;
}

type Settle = (config: RequestConfig) => RequestConfig;
type Visit<V> = (interceptor: Interceptor<V>) => void;

/** axios goes through the interceptors of an instance by this method, each time that it sends a request. */
interface InterceptorManager<V> {
  forEach: (this: unknown, visit: Visit<V>) => void;
}

/** What an interceptor of ours does. */
export interface OwnInterceptors {
  /** With the config that a request starts with, and with each one that an interceptor returns. */
  config(config: RequestConfig): RequestConfig;
  /** With a response, and with an error, before the interceptors of others get them. */
  response(response: AxiosResponse): AxiosResponse;
  error(error: unknown): unknown;
}

/**
 * Has the last word on every request of the instance, in any order of interceptors: one that
 * runs after ours could return a config of its own, and the request would go out as that says. `use` cannot do it,
 * for it has one place in the order.
 *
 * @returns ends it
 */
export function joinInterceptors({ interceptors }: AxiosInstance, own: OwnInterceptors): () => void {
  const settle: Settle = (config) => own.config(config);
  const first: Interceptor<RequestConfig> = { fulfilled: settle, synchronous: true };
  const undoRequests = override<RequestConfig>(interceptors.request, (visitAll, visit) => {
    // Depending on the order in which axios runs them, either of the two is the first.
    visit(first);
    visitAll((interceptor) => visit(followed(interceptor, settle)));
    visit(first);
  });
  const undoResponses = override<AxiosResponse>(interceptors.response, (visitAll, visit) => {
    visit({
      fulfilled: (response) => own.response(response),
      rejected: (error) => {
        throw own.error(error);
      },
    });
    visitAll(visit);
  });
  return () => {
    undoRequests();
    undoResponses();
  };
}

function followed(interceptor: Interceptor<RequestConfig>, settle: Settle): Interceptor<RequestConfig> {
  const { fulfilled, rejected } = interceptor;
  return {
    ...interceptor,
    fulfilled: fulfilled && ((config) => then(fulfilled(config), settle)),
    rejected: rejected && ((error) => then(rejected(error) as RequestConfig, settle)),
  };
}

/** Without a promise where there is none: axios may run interceptors synchronously. */
function then(result: RequestConfig | Promise<RequestConfig>, settle: Settle) {
  const isThenable = typeof (result as Promise<RequestConfig> | undefined)?.then === 'function';
  return isThenable ? Promise.resolve(result).then(settle) : settle(result as RequestConfig);
}

function override<V>(managed: object, walk: (visitAll: (visit: Visit<V>) => void, visit: Visit<V>) => void) {
  const manager = managed as InterceptorManager<V>;
  const isOwn = Object.hasOwn(manager, 'forEach');
  const original = manager.forEach;
  let isActive = true;
  const overriding = (visit: Visit<V>) => {
    const visitAll = (each: Visit<V>) => original.call(manager, each);
    if (isActive) walk(visitAll, visit);
    else visitAll(visit);
  };
  manager.forEach = overriding;
  return () => {
    isActive = false;
    // Another library may have done the same since.
    if (manager.forEach !== overriding) return;
    if (isOwn) manager.forEach = original;
    else Reflect.deleteProperty(manager, 'forEach');
  };
}
