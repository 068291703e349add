import { createHash, hash, type Hash } from 'node:crypto';
import { bytesOfText, type ByteString, toBytes } from './byte-string.js';
import { canonicalQuery, normalizePath } from './canonical-target.js';
import { isAppUuid, isTime, type MAuthVersion } from './headers.js';
import { ownProperties, ownProperty } from './own-properties.js';

const SLASH = 0x2f;
const BEYOND_PRINTABLE = /[^\x20-\x7e]/; // One range takes half the time of two.
const CONTROL = /[\0-\x1f\x7f]/;
const METHOD = /^[A-Z][A-Z-]*$/;
const USUAL_METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);
// The end of scheme and authority (RFC 3986, section 3), read as text: nothing is resolved or re-encoded.
// An authority holds no white space and no backslash, which some would take for the first slash of the path.
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\\\0-\x20\x7f]*/;

/** Whether the method can stand in a string to sign. */
function isMethod(method: unknown): method is string {
  return typeof method === 'string' && (USUAL_METHODS.has(method) || METHOD.test(method));
}

/** A request, as far as its first line goes. */
export class RequestLine {
  constructor(
    readonly method: string,
    /** Starts with `/`. As sent, nothing decoded. */
    readonly path: ByteString,
    /** What stands behind the first `?`; empty when there is none. */
    readonly query: ByteString,
  ) {}
}

/**
 * Reads method and target; undefined for a target in another form than origin form (absolute, `*`) and for control
 * characters: a line feed, once decoded, would let one field of the string to sign run into the next.
 */
export function readRequestLine(method: unknown, target: ByteString): RequestLine | undefined {
  if (!isMethod(method) || target.charCodeAt(0) !== SLASH) return undefined;
  if (BEYOND_PRINTABLE.test(target) && CONTROL.test(target)) return undefined;
  const mark = target.indexOf('?');
  if (mark < 0) return new RequestLine(method, target, '');
  return new RequestLine(method, target.slice(0, mark), target.slice(mark + 1));
}

/** Cuts scheme and authority off a URL that is about to be signed; an empty path becomes `/`. */
export function originForm(url: ByteString): ByteString {
  if (url.charCodeAt(0) === SLASH) return url;
  const rest = url.replace(ABSOLUTE, '');
  return rest === '' || rest.startsWith('?') ? `/${rest}` : rest;
}

/** Bytes, or text that stands for its UTF-8 bytes; none is the same as empty. */
export type MessageBody = Uint8Array | string | null | undefined;

/** A request, as far as a signature covers it. */
export interface RequestMessage {
  /** As sent, in upper case. */
  readonly method: string;
  /** Path and query as sent, or an absolute URL, of which they are cut off as text. */
  readonly url: string | Uint8Array;
  /** The bytes on the wire. */
  readonly body?: MessageBody;
  readonly appUuid: string;
  /** Seconds since 1970. */
  readonly time: number | string;
}

/** A response, as far as a signature covers it. */
export interface ResponseMessage {
  /** Three digits. */
  readonly status: number;
  /** The bytes on the wire. */
  readonly body?: MessageBody;
  readonly appUuid: string;
  /** Seconds since 1970. */
  readonly time: number | string;
}

/** What a signature is made for. */
export type SignableMessage = RequestMessage | ResponseMessage;

/** What stands before the body in a string to sign. */
export type MessageHead = RequestLine | StatusLine;

/** A response, as far as its first line goes. */
export class StatusLine {
  constructor(readonly status: number) {}
}

/**
 * The bytes that a signature is made over.
 *
 * @param version 1 (the body itself is part of the string) or 2 (its SHA-512 is)
 * @returns bytes; V1 signs their SHA-512 in hexadecimal, V2 signs them with SHA-512
 * @throws MalformedMessageError when a part is such that it could not be told from its neighbours
 *
 * @example
 * stringToSign(2, { method: 'GET', url: '/studies?page=1', appUuid, time: 1585082925 });
 */
export function stringToSign(version: MAuthVersion, message: SignableMessage): Buffer {
  const body = ownProperty(message, 'body');
  const appUuid = ownProperty(message, 'appUuid');
  const head = headOf(message);
  const time = timeOf(ownProperty(message, 'time'));
  if (!isAppUuid(appUuid)) throw new MalformedMessageError('malformed_app_uuid', 'appUuid must be a UUID.');
  const bytes = bodyBytes(body);
  if (version === 1)
    return Buffer.concat([toBytes(v1Opening(head)), bytes, toBytes(v1Closing(appUuid, time))]);
  return toBytes(v2Text(head, sha512Hex(bytes), appUuid, time));
}

/** Checks and splits what stands before the body; throws MalformedMessageError. */
function headOf(message: SignableMessage): MessageHead {
  const isResponse = ownProperty(message as ResponseMessage, 'status') !== undefined;
  return isResponse ? statusLineOf(message as ResponseMessage) : requestLineOf(message as RequestMessage);
}

/** Throws MalformedMessageError. */
export function statusLineOf(response: Pick<ResponseMessage, 'status'>): StatusLine {
  const status = ownProperty(response, 'status');
  if (isStatus(status)) return new StatusLine(status);
  throw new MalformedMessageError('malformed_status', 'status must be a number of three digits.');
}

/** Throws MalformedMessageError. */
export function requestLineOf(request: Pick<RequestMessage, 'method' | 'url'>): RequestLine {
  const { method, url } = ownProperties(request);
  const isUrl = typeof url === 'string' || url instanceof Uint8Array;
  const line = isUrl ? readRequestLine(method, originForm(bytesOfText(url))) : undefined;
  if (line) return line;
  if (!isMethod(method)) {
    throw new MalformedMessageError('malformed_method', 'method must be upper-case letters, such as GET.');
  }

  throw new MalformedMessageError(
    'malformed_url',
    'url must be a path that starts with "/" or an absolute URL, without control characters.',
  );
}

/** Whether the number can stand for the status of a response. */
export function isStatus(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 100 && (status as number) <= 999;
}

/** Seconds as text; throws MalformedMessageError. */
export function timeOf(time: number | string | undefined): string {
  const text = String(time);
  if (isTime(text)) return text;
  throw new MalformedMessageError('malformed_time', 'time must be whole seconds since 1970.');
}

/** The body as bytes, without a copy where it is bytes; throws MalformedMessageError for anything else. */
export function bodyBytes(body: MessageBody): Uint8Array {
  if (body === null || body === undefined) return NO_BYTES;
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return body;
  throw new MalformedMessageError('malformed_body', 'body must be bytes, text or null.');
}

const NO_BYTES = new Uint8Array(0);

/** V1: all that stands before the body. */
export function v1Opening(head: MessageHead): ByteString {
  return head instanceof StatusLine ? `${head.status}\n` : `${head.method}\n${head.path}\n`;
}

/** V1: all that stands behind the body. */
export function v1Closing(appUuid: string, time: string): ByteString {
  return `\n${appUuid}\n${time}`;
}

/** V2, around the body's digest. */
export function v2Text(head: MessageHead, bodyDigest: string, appUuid: string, time: string): ByteString {
  const text = v2TextBeforeQuery(head, bodyDigest, appUuid, time);
  return head instanceof StatusLine ? text : text + canonicalQuery(head.query);
}

/** V2: all that stands before the canonical query of a request, or all there is of a response. */
export function v2TextBeforeQuery(
  head: MessageHead,
  bodyDigest: string,
  appUuid: string,
  time: string,
): ByteString {
  if (head instanceof StatusLine) return `${head.status}\n${bodyDigest}\n${appUuid}\n${time}`;
  return `${head.method}\n${normalizePath(head.path)}\n${bodyDigest}\n${appUuid}\n${time}\n`;
}

export const SHA512_OF_NOTHING = sha512Hex(NO_BYTES);

export function sha512Hex(bytes: Uint8Array | string): string {
  return hash('sha512', bytes, 'hex');
}

/** @param text stands for its bytes where it is a string */
export function sha512(text: Uint8Array | ByteString): Buffer {
  return hash('sha512', typeof text === 'string' ? Buffer.from(text, 'latin1') : text, 'buffer');
}

/** SHA-512 of a body that arrives in chunks: the part of a V2 string to sign that depends on it. */
export class V2BodyDigest {
  #hash?: Hash;
  #whole?: string;

  /**
   * @param chunk text stands for its UTF-8 bytes
   * @param isWhole the chunk is all of the body: a hash for one chunk costs less than one that goes on
   */
  update(chunk: Uint8Array | string, isWhole = false): void {
    if (isWhole && !this.#hash && this.#whole === undefined) this.#whole = sha512Hex(chunk);
    else (this.#hash ??= createHash('sha512')).update(chunk);
  }

  /** Lower-case hexadecimal; empty, which no signature covers, when more came than the whole. Ends the digest. */
  digest(): string {
    if (this.#whole === undefined) return this.#hash?.digest('hex') ?? SHA512_OF_NOTHING;
    return this.#hash ? '' : this.#whole;
  }
}

/** SHA-512 of a whole V1 string to sign whose body arrives in chunks; all of it but the body is known beforehand. */
export class V1StringDigest {
  readonly #hash: Hash;
  readonly #closing: ByteString;

  constructor(opening: ByteString, closing: ByteString) {
    this.#hash = createHash('sha512').update(opening, 'latin1');
    this.#closing = closing;
  }

  /** @param chunk text stands for its UTF-8 bytes */
  update(chunk: Uint8Array | string): void {
    this.#hash.update(chunk);
  }

  /** Lower-case hexadecimal. Ends the digest. */
  digest(): string {
    return this.#hash.update(this.#closing, 'latin1').digest('hex');
  }
}

/** What cannot be signed about a message. */
export type MalformedMessageCode =
  | 'malformed_method'
  | 'malformed_url'
  | 'malformed_status'
  | 'malformed_body'
  | 'malformed_app_uuid'
  | 'malformed_time';

/** A message that has no string to sign, because its parts could be mistaken for one another. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';

  constructor(
    readonly code: MalformedMessageCode,
    message: string,
  ) {
    super(message);
  }
}
