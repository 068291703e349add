import { type ByteString } from './byte-string.js';

/** The target of a request, split at its first `?`; both parts as sent, nothing decoded. */
export class RequestTarget {
  constructor(
    /** Starts with `/`. */
    readonly path: ByteString,
    /** Without its `?`; empty when there is none. */
    readonly query: ByteString,
  ) {}
}

/** A request, as far as its first line goes. */
export class RequestLine extends RequestTarget {
  constructor(
    readonly method: string,
    { path, query }: RequestTarget,
  ) {
    super(path, query);
  }
}

const SLASH = 0x2f;
const BEYOND_PRINTABLE = /[^\x20-\x7e]/; // One range takes half the time of two.
const CONTROL = /[\0-\x1f\x7f]/;
const METHOD = /^[A-Z][A-Z-]*$/;
const USUAL_METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);
// The end of scheme and authority (RFC 3986, section 3), read as text: nothing is resolved or re-encoded.
// An authority holds no white space and no backslash, which some would take for the first slash of the path.
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\\\0-\x20\x7f]*/;

/** Whether the method can stand in a string to sign. */
export function isMethod(method: unknown): method is string {
  return typeof method === 'string' && (USUAL_METHODS.has(method) || METHOD.test(method));
}

/**
 * Splits a target in origin form; undefined for any other form (absolute, `*`) and for control characters: a line
 * feed, once decoded, would let one field of the string to sign run into the next.
 */
export function splitTarget(target: ByteString): RequestTarget | undefined {
  if (target.charCodeAt(0) !== SLASH) return undefined;
  if (BEYOND_PRINTABLE.test(target) && CONTROL.test(target)) return undefined;
  const mark = target.indexOf('?');
  if (mark < 0) return new RequestTarget(target, '');
  return new RequestTarget(target.slice(0, mark), target.slice(mark + 1));
}

/** Cuts scheme and authority off a URL that is about to be signed; an empty path becomes `/`. */
export function originForm(url: ByteString): ByteString {
  if (url.charCodeAt(0) === SLASH) return url;
  const rest = url.replace(ABSOLUTE, '');
  return rest === '' || rest.startsWith('?') ? `/${rest}` : rest;
}
