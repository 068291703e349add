import { types } from 'node:util';
import { MAuthUnableToSignError } from '../config/errors.js';
import { bodyTooLarge, streamBytes, type NodeStream, type ReadLimits } from './stream-bytes.js';

/** The body of a request, settled: what is given to the adapter is what is signed. */
export interface RequestBody {
  /** What the adapter sends as it stands; undefined = nothing. Text is sent as UTF-8 by every adapter. */
  readonly data: string | Buffer | undefined;
  /** The bytes that this makes on the wire. */
  readonly bytes: Buffer;
  /** Content type that comes with the body, such as a form's with its boundary. */
  readonly contentType?: string;
  /** `contentType` gives way to one that the caller has set. */
  readonly weakType?: true;
  /** The source was read and cannot be read again: a repeated request has to take `data` instead. */
  readonly consumed?: true;
}

const NOTHING: RequestBody = { data: undefined, bytes: Buffer.alloc(0) };

/**
 * What axios hands to its adapter after all transforms, where its bytes are at hand; undefined where they have to be
 * read first.
 */
export function bodyAtHand(data: unknown): RequestBody | undefined {
  // axios sends nothing for whatever is falsy, be it 0 or false.
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
 * Reads the kinds that an adapter would turn into bytes while sending: forms, Blobs, streams.
 *
 * @throws MAuthUnableToSignError `body_unsupported` for what has no bytes of its own, such as an object that no
 * transform has serialised; `body_too_large`; and what `streamBytes` throws
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

/** A stream of Node, or one of the web; of whichever implementation. */
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

/** Written out by Node's own encoder; a boundary that the caller chose is replaced, together with the header. */
async function formBody(form: Form, { maxBytes }: ReadLimits): Promise<RequestBody> {
  let size = 0;
  for (const [, value] of form) size += typeof value === 'string' ? Buffer.byteLength(value) : value.size;
  if (size > maxBytes) throw bodyTooLarge(maxBytes);
  const encoded = new Response(form instanceof FormData ? form : await nativeForm(form));
  const bytes = Buffer.from(await encoded.arrayBuffer());
  return { ...ofBytes(bytes), contentType: encoded.headers.get('content-type') ?? undefined };
}

/** Another library's form in Node's class; Node would take it for text. */
async function nativeForm(form: Form): Promise<FormData> {
  const native = new FormData();
  for (const [name, value] of form) {
    if (typeof value === 'string') native.append(name, value);
    else native.append(name, new Blob([await value.arrayBuffer()], { type: value.type }), value.name);
  }
  return native;
}

/** The `form-data` package makes streams that know their content type. */
function formType(stream: object): string | undefined {
  const { getHeaders } = stream as { getHeaders?: () => Record<string, string> };
  return typeof getHeaders === 'function' ? getHeaders.call(stream)['content-type'] : undefined;
}

function kindOf(data: unknown): string {
  return Object.prototype.toString.call(data).slice('[object '.length, -1);
}
