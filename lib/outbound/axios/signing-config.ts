import { type Adapter, type AdapterChoice, type RequestConfig } from './axios-types.js';
import { revealConnections } from '../hidden-connections.js';
import { isObject } from '../signature-traces.js';
import { signingAdapter, type SigningParts } from './signing-adapter.js';

// Found again by another copy of this library too, so that a repeated request is not signed twice.
const WRAPPED = Symbol.for('nestjs-mauth:wrapped-adapter');
const partsOfAdapters = new WeakMap<object, SigningParts>();
const guards = new WeakSet<object>();

/** The config, or a copy if it is closed to changes, with an adapter that signs over whichever it has. */
export function withSigning(config: RequestConfig, parts: SigningParts): RequestConfig {
  // axios says what is wrong with an interceptor that returns nothing.
  if (!isObject(config)) return config;
  const own = Object.isExtensible(config) ? config : { ...config };
  revealConnections(own);
  own.adapter = wrapped(own.adapter, parts);
  own.transformRequest = [...transforms(own), guard(parts)];
  return own;
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

/** axios looks at \`adapter\` after the transforms, which get the config as \`this\` and could set another one. */
function guard(parts: SigningParts): Transform {
  const transform: Transform = function (this: RequestConfig, data: unknown) {
    this.adapter = wrapped(this.adapter, parts);
    return data;
  };
  guards.add(transform);
  return transform;
}
