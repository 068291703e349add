import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';

/*
 * The config of an error refers to the agent of its request, and the agent to every request that it is sending at that
 * moment: a log of the error would show their signatures. So before a config is returned to the caller, its agents are
 * replaced by stand-ins that work in the same way and print nothing.
 */

const NOTE = '[not shown: signed requests are under way here]';

/** The target of a stand-in: it is printed instead of the agent. */
class Hidden {
  [inspect.custom](): string {
    return NOTE;
  }
}

const standIns = new WeakMap<object, object>();
const originals = new WeakMap<object, object>();

/** Replaces agents, transports and dispatchers in the config by stand-ins. */
export function hideConnections(config: object): void {
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null) continue;
    if (name === FETCH_OPTIONS) Reflect.set(config, name, changedCopy(value, hideConnections));
    // Agents and dispatchers are event emitters; a transport may be `node:http` itself, which knows the global agent.
    else if (value instanceof EventEmitter || CONNECTIONS.has(name)) {
      Reflect.set(config, name, standInOf(value));
    }
  }
}

/** Undoes `hideConnections`: adapters and libraries check the class of an agent. */
export function revealConnections(config: object): void {
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null) continue;
    const original = originals.get(value);
    if (original) Reflect.set(config, name, original);
    else if (name === FETCH_OPTIONS) Reflect.set(config, name, changedCopy(value, revealConnections));
  }
}

/** These hold undici's dispatcher. */
const FETCH_OPTIONS = 'fetchOptions';

/** The object may be the caller's own. */
function changedCopy(value: object, change: (copy: object) => void): object {
  const copy = { ...value };
  change(copy);
  return copy;
}

const CONNECTIONS: ReadonlySet<string> = new Set(['httpAgent', 'httpsAgent', 'transport', 'dispatcher']);

function standInOf(original: object): object {
  if (originals.has(original)) return original; // It is one.
  const known = standIns.get(original);
  if (known) return known;
  // `util.inspect` prints the target of a proxy; every access goes through the traps.
  const standIn = new Proxy(new Hidden(), {
    get: (_target, name) => {
      if (name === 'toJSON') return () => NOTE;
      const value: unknown = Reflect.get(original, name, original);
      return typeof value === 'function' ? (value.bind(original) as unknown) : value;
    },
    set: (_target, name, value) => Reflect.set(original, name, value, original),
    has: (_target, name) => name === 'toJSON' || Reflect.has(original, name),
    // axios copies plain objects property by property, and these have none.
    getPrototypeOf: () => (isPlain(original) ? Hidden.prototype : Reflect.getPrototypeOf(original)),
  });
  standIns.set(original, standIn);
  originals.set(standIn, original);
  return standIn;
}

function isPlain(value: object): boolean {
  const prototype = Reflect.getPrototypeOf(value);
  return prototype === null || Reflect.getPrototypeOf(prototype) === null;
}
