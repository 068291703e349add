import { types } from 'node:util';
import { MAuthUnableToSignError } from '../config/errors.js';
import { bodyTooLarge, streamBytes, type NodeStream, type ReadLimits } from './stream-bytes.js';

/** The final body of a request: the adapter gets the bytes that are signed. */
export interface RequestBody {
  /** For the adapter; undefined = no body. Every adapter sends text as UTF-8. */
  readonly data: string | Buffer | undefined;
  /** The bytes that are sent. */
  readonly bytes: Buffer;
  /** The content type that the body implies, such as that of a form with its boundary. */
  readonly contentType?: string;
  /** A content type that the caller has set is kept. */
  readonly weakType?: true;
  /** The source was a stream and cannot be read again: a repeated request must send `data`. */
  readonly consumed?: true;
}

const NOTHING: RequestBody = { data: undefined, bytes: Buffer.alloc(0) };

/**
 * The body of a config after all transforms of axios, if its bytes are in memory; undefined if they must be read first
 * (`readBody`).
 */
export function bodyAtHand(data: unknown): RequestBody | undefined {
  // axios sends no body for any falsy value, 0 and false included.
  if (!data) return NOTHING;
  if (typeof data === 'string') return { data, bytes: Buffer.from(data, 'utf8') };
  if (ArrayBuffer.isView(data)) return ofBytes(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  if (types.isAnyArrayBuffer(data)) return ofBytes(Buffer.from(data));
  if (kindOf(data) === 'URLSearchParams') {
    const type = 'application/x-www-form-urlencoded;charset=utf-8';
    return { ...ofText((data as URLSearchParams).toString()), contentType: type, weakType: true };
  }
  return undefined;
}

/**
 * Reads forms, Blobs and streams, which an adapter would turn into bytes only while it sends.
 *
 * @throws MAuthUnableToSignError `body_unsupported` for a value that is not bytes, such as an object that no transform
 * has serialised; `body_too_large`; and the errors of `streamBytes`
 */
export async function readBody(data: unknown, limits: ReadLimits): Promise<RequestBody> {
  if (typeof data === 'object' && data !== null) {
    if (isForm(data)) return formBody(data, limits);
    if (isBlob(data)) return blobBody(data, limits);
    if (isStream(data)) {
      const bytes = await streamBytes(data, limits);
      return { ...ofBytes(bytes), contentType: formType(data), consumed: true };
    }
  }
  throw new MAuthUnableToSignError(
    'body_unsupported',
    `A body of kind ${kindOf(data)} cannot be signed: after \`transformRequest\` it must be text, bytes, a Blob, ` +
      'a form or a stream.',
  );
}

/** Whether `readBody` knows the kind. */
export function isReadable(data: object): boolean {
  return isForm(data) || isBlob(data) || isStream(data);
}

function ofBytes(bytes: Buffer): RequestBody {
  return { data: bytes.length > 0 ? bytes : undefined, bytes };
}

function ofText(data: string): RequestBody {
  return { data: data || undefined, bytes: Buffer.from(data, 'utf8') };
}

type Form = FormData & { [Symbol.toStringTag]: string };

function isForm(data: object): data is Form {
  return kindOf(data) === 'FormData' && typeof (data as Form).entries === 'function';
}

function isBlob(data: object): data is Blob {
  return ['Blob', 'File'].includes(kindOf(data)) && typeof (data as Blob).arrayBuffer === 'function';
}

/** A stream of Node or a web stream, of any implementation. */
export function isStream(data: object): data is NodeStream | ReadableStream {
  return (
    typeof (data as NodeStream).pipe === 'function' ||
    typeof (data as ReadableStream).getReader === 'function'
  );
}

async function blobBody(blob: Blob, { maxBytes }: ReadLimits): Promise<RequestBody> {
  if (blob.size > maxBytes) throw bodyTooLarge(maxBytes);
  const bytes = Buffer.from(await blob.arrayBuffer());
  return {
    ...ofBytes(bytes),
    contentType: bytes.length > 0 ? blob.type || 'application/octet-stream' : undefined,
  };
}

/** Encoded by Node, with a new boundary; the content type that the caller set is replaced to match it. */
async function formBody(form: Form, { maxBytes }: ReadLimits): Promise<RequestBody> {
  let size = 0;
  for (const [, value] of form) size += typeof value === 'string' ? Buffer.byteLength(value) : value.size;
  if (size > maxBytes) throw bodyTooLarge(maxBytes);
  const encoded = new Response(form instanceof FormData ? form : await nativeForm(form));
  const bytes = Buffer.from(await encoded.arrayBuffer());
  return { ...ofBytes(bytes), contentType: encoded.headers.get('content-type') ?? undefined };
}

/** The form of another library as Node's `FormData`: Node would encode it as the text "[object FormData]". */
async function nativeForm(form: Form): Promise<FormData> {
  const native = new FormData();
  for (const [name, value] of form) {
    if (typeof value === 'string') native.append(name, value);
    else native.append(name, new Blob([await value.arrayBuffer()], { type: value.type }), value.name);
  }
  return native;
}

/** The content type of a form of the `form-data` package, which is a stream. */
function formType(stream: object): string | undefined {
  const { getHeaders } = stream as { getHeaders?: () => Record<string, string> };
  return typeof getHeaders === 'function' ? getHeaders.call(stream)['content-type'] : undefined;
}

function kindOf(data: unknown): string {
  return Object.prototype.toString.call(data).slice('[object '.length, -1);
}
