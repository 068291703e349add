import { EventEmitter } from 'node:events';
import { inspect, types } from 'node:util';
import { MAuthError } from '../config/errors.js';

/** What an authentication header holds (protocol.md, section 1), wherever in a text it stands. */
const SIGNATURE = /MWS(?:V2)? [0-9A-Fa-f-]{36}:[A-Za-z0-9+/]+={0,2};?/g;
/** More objects than this are not looked at: a value that has more is treated as one that holds a signature. */
const MOST_OBJECTS = 10_000;

/** The text with a note in the place of each MAuth signature. */
export function withoutSignatures(text: string): string {
  return text.includes('MWS') ? text.replace(SIGNATURE, '[MAuth signature]') : text;
}

/**
 * Whether a log that printed the value could show a MAuth signature, now or later. Data is looked through; of what
 * changes by itself (sockets, requests, agents) or shows more than its properties (`Request` of fetch) it is assumed.
 */
export function mayShowSignature(value: unknown): boolean {
  const seen = new Set<object>();
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string' && withoutSignatures(next) !== next) return true;
    if (!isObject(next) || seen.has(next)) continue;
    if (seen.size >= MOST_OBJECTS || isUnknowable(next) || bytesShow(next)) return true;
    seen.add(next);
    waiting.push(...partsOf(next));
  }
  return false;
}

/** An object or a function. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Errors of Node itself as well, wherever they come from. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** The value of a property; undefined where reading it fails. */
export function readProperty(object: object, name: PropertyKey): unknown {
  try {
    return Reflect.get(object, name);
  } catch {
    return undefined;
  }
}

function isUnknowable(value: object): boolean {
  if (types.isProxy(value) || types.isPromise(value) || value instanceof EventEmitter) return true;
  if (types.isWeakMap(value) || types.isWeakSet(value) || types.isGeneratorObject(value)) return true;
  if (value instanceof URL || value instanceof URLSearchParams || value instanceof Response) return false;
  return typeof readProperty(value, inspect.custom) === 'function';
}

function bytesShow(value: object): boolean {
  if (!ArrayBuffer.isView(value) && !types.isAnyArrayBuffer(value)) return false;
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value);
  return bytes.includes('MWS ') || bytes.includes('MWSV2 ');
}

function partsOf(value: object): unknown[] {
  if (value instanceof URL || value instanceof URLSearchParams) return [String(value)];
  if (value instanceof Response) return [...value.headers.values()];
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return [];
  const parts: unknown[] = Reflect.ownKeys(value).map((name) => readProperty(value, name));
  if (types.isMap(value)) parts.push(...value.keys(), ...value.values());
  if (types.isSet(value)) parts.push(...value);
  return parts;
}

/** What can be told of an error in words: its name, message, code and stack, without all that it refers to. */
export function errorInWords(error: object): Error {
  const text = (name: string) => {
    const value = readProperty(error, name);
    return typeof value === 'string' ? withoutSignatures(value) : undefined;
  };
  const words: Error & { code?: string } = new Error(text('message'));
  words.name = text('name') ?? 'Error';
  words.stack = text('stack');
  const code = text('code');
  if (code !== undefined) words.code = code;
  return words;
}

/**
 * The cause of an error of ours: what axios, a stream or a signer fails with may hold the request, with its body and
 * query, or the response.
 */
export function causeInWords(cause: unknown): Error | undefined {
  if (cause instanceof MAuthError) return cause;
  return isObject(cause) ? errorInWords(cause) : undefined;
}

/** The name and, if there is one, the code of an error whose message may tell what was sent. */
export function kindOfError(error: unknown): string {
  const { name, code } = isObject(error)
    ? (errorInWords(error) as NodeJS.ErrnoException)
    : { name: typeof error };
  return code === undefined ? name : `${name} ${code}`;
}
