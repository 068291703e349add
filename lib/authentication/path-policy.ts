import { isUtf8 } from 'node:buffer';
import { escapedByte, isEncodedByte, UNRESERVED } from '../protocol/percent-encoding.js';
import { type MAuthSettings } from '../config/options.js';
import { type RequestLine } from '../protocol/string-to-sign.js';

const ESCAPES = /%(2e|2f|5c|00)/gi;
const DECODED: Readonly<Record<string, string>> = { '2e': '.', '2f': '/', '5c': '\\', '00': '\0' };
// A number sign ends a path for URL parsers; those of Express also trim a no-break space (byte A0) at the end.
const SEPARATING = /[\\\0#]|\xa0$/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;

const NUMBER_SIGN = 0x23;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const QUESTION_MARK = 0x3f;
const BRACKET = 0x5d;
const BEYOND_ASCII = /[^\0-\x7f]/;

// Most queries hold nothing of that: a look at each character takes three times as long.
const SUSPECT = /^\?|#|%(?![\dA-Fa-f]{2})|(?:\]|%5[Dd])=/;

/** A byte beyond ASCII: there may be something that is no UTF-8. */
const HIGH_ESCAPE = /%[89A-Fa-f]/;

/** Both query parsers of Express leave out what comes after as many pieces as this, empty ones included. */
const MOST_PIECES = 1000;

/**
 * Whether a router or a handler could read the target in another way than the signature does, see `isAmbiguousPath` and
 * `isAmbiguousQuery`. Absolute-form targets are such, too: the string to sign has no host.
 *
 * @param target path and query as on the wire
 */
export function isAmbiguousTarget(target: string): boolean {
  if (!target.startsWith('/')) return true;
  const path = pathOf(target);
  return isAmbiguous({ path, query: target.slice(path.length + 1) });
}

/** The same for a target that was split already. */
export function isAmbiguous({ path, query }: Pick<RequestLine, 'path' | 'query'>): boolean {
  return isAmbiguousPath(path) || isAmbiguousQuery(query);
}

/**
 * Whether there are raw bytes beyond ASCII in the query of a target that a server of Node has read: escaped they are
 * UTF-8 for handlers, raw they are Latin-1, and for V2 there is no difference. Its parser of HTTP/1 refuses them.
 */
export function isReadAsLatin1(target: string): boolean {
  return BEYOND_ASCII.test(target.slice(pathOf(target).length));
}

/**
 * A router, a file server and the string to sign treat dot segments, encoded or not, backslashes, NUL and `#` each in
 * their own way, so a signature over one resource could open another.
 */
function isAmbiguousPath(path: string): boolean {
  // Once, as routers do: what is still encoded after that is an ordinary part of a name.
  const decoded = path.includes('%')
    ? path.replace(ESCAPES, (_, hex: string) => DECODED[hex.toLowerCase()] ?? '')
    : path;
  return SEPARATING.test(decoded) || (decoded.includes('.') && DOT_SEGMENT.test(decoded));
}

/**
 * Queries with one V2 string to sign that parsers take apart differently, so that a caller's parameters could be
 * changed under its signature. V2 decodes `a=1%23` and `a=1#` alike, but:
 * - URL parsers end the query at `#`, and `URLSearchParams` drops a `?` in front;
 * - a broken escape (`%zz`) makes qs and Fastify leave all other escapes of that name or value alone;
 * - qs takes a later `]=` for the end of the name: to V2, `a=b]=c` is `a` with the value `b]=c`;
 * - qs and Fastify leave a name or value that is no UTF-8 as it is spelled, and V2 knows one spelling of it;
 * - the parsers of Express count pieces.
 */
function isAmbiguousQuery(query: string): boolean {
  if (HIGH_ESCAPE.test(query) && query.split('&').some(isUndecodable)) return true;
  if (query.length < MOST_PIECES && !SUSPECT.test(query)) return false;
  if (query.charCodeAt(0) === QUESTION_MARK) return true;
  let pieces = 1;
  let isValue = false;
  let isEscaped = false;
  let isBroken = false;
  for (let at = 0; at < query.length; at++) {
    const character = query.charCodeAt(at);
    if (character === AMPERSAND) {
      if (++pieces > MOST_PIECES) return true;
      isValue = isEscaped = isBroken = false;
    } else if (character === EQUALS) {
      if (!isValue) isEscaped = isBroken = false;
      else if (endsBrackets(query, at)) return true;
      isValue = true;
    } else if (character === PERCENT) {
      if (escapedByte(query.charCodeAt(at + 1), query.charCodeAt(at + 2)) < 0) isBroken = true;
      else isEscaped = true;
      if (isEscaped && isBroken) return true;
    } else if (character === NUMBER_SIGN) return true;
  }
  return false;
}

/** Whether the name or the value of a piece is no UTF-8, and spelled otherwise than V2 spells it. */
function isUndecodable(piece: string): boolean {
  const end = piece.indexOf('=');
  const parts = end < 0 ? [piece] : [piece.slice(0, end), piece.slice(end + 1)];
  return parts.some((part) => HIGH_ESCAPE.test(part) && !isUtf8(unescaped(part)) && !isCanonicalText(part));
}

function unescaped(part: string): Buffer {
  const decode = (_escape: string, hex: string) => String.fromCharCode(parseInt(hex, 16));
  return Buffer.from(part.replace(/%([\dA-Fa-f]{2})/g, decode), 'latin1');
}

/** Whether all of it is unreserved, or escaped because it has to be. */
function isCanonicalText(part: string): boolean {
  for (let at = 0; at < part.length; at++) {
    if (UNRESERVED[part.charCodeAt(at)] === 1) continue;
    const isEscape = part.charCodeAt(at) === PERCENT;
    if (!isEscape || !isEncodedByte(part.charCodeAt(at + 1), part.charCodeAt(at + 2))) return false;
    at += 2;
  }
  return true;
}

/** Whether there is a `]`, raw or escaped, in front of this place. */
function endsBrackets(query: string, at: number): boolean {
  return query.charCodeAt(at - 1) === BRACKET || /^%5d$/i.test(query.slice(at - 3, at));
}

/** The part of a target before its first `?`, as on the wire. */
export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : target.slice(0, mark);
}

/**
 * Path and query that the signature of a request covers, by the option `requestTarget`; empty, which no signature
 * covers, where it has none.
 */
export function signedTarget({ requestTarget, logger }: MAuthSettings, request: unknown): string {
  try {
    const target: unknown = requestTarget?.(request);
    if (typeof target === 'string') return target;
    logger.error('MAuth: option `requestTarget` must return path and query as text');
  } catch {
    logger.error('MAuth: option `requestTarget` threw an error');
  }
  return '';
}
