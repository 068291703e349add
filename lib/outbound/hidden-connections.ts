import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';

/*
 * A config refers to the agent that a request went over, and an agent to all that goes over it at the moment: whoever
 * prints an error with its config prints the signatures of requests that have nothing to do with it. So where a config
 * leaves us its agents are replaced by stand-ins, which work alike and show nothing.
 */

const NOTE = '[not shown: signed requests are under way here]';

/** What a stand-in shows of itself. */
class Hidden {
  [inspect.custom](): string {
    return NOTE;
  }
}

const standIns = new WeakMap<object, object>();
const originals = new WeakMap<object, object>();

/** Replaces everything in the config that requests go over by stand-ins. */
export function hideConnections(config: object): void {
  replaceIn(config, (value, name) => (isConnection(value, name) ? standInOf(value) : value));
}

/** The opposite of `hideConnections`: agents, for those who ask what they are. */
export function revealConnections(config: object): void {
  replaceIn(config, (value) => originals.get(value) ?? value);
}

function replaceIn(config: object, replacement: (value: object, name: string) => object): void {
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null) continue;
    // The options of fetch may be an object of the caller's, and hold undici's dispatcher.
    const changed = name === 'fetchOptions' ? { ...value } : replacement(value, name);
    if (name === 'fetchOptions') replaceIn(changed, replacement);
    if (changed !== value) Reflect.set(config, name, changed);
  }
}

const CONNECTIONS: ReadonlySet<string> = new Set(['httpAgent', 'httpsAgent', 'transport', 'dispatcher']);

/** Agents and dispatchers are event emitters; a transport may be `node:http` itself, which knows the global agent. */
function isConnection(value: object, name: string): boolean {
  return !originals.has(value) && (value instanceof EventEmitter || CONNECTIONS.has(name));
}

function standInOf(original: object): object {
  const known = standIns.get(original);
  if (known) return known;
  // Printing goes to the target of a proxy, and working with it to the traps.
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
