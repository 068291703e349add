import { constants as bufferConstants } from 'node:buffer';
import { Readable } from 'node:stream';
import { types } from 'node:util';
import zlib from 'node:zlib';
import { type AdapterChoice, type AxiosResponse, type RequestConfig } from './axios-types.js';
import { keepHeaders, type MAuthHeaderFields } from '../header-fields.js';

type Decode = (bytes: Uint8Array, options: zlib.ZlibOptions) => Promise<Buffer>;

/** The body of a response, byte for byte as it was received. */
export interface ReceivedBody {
  readonly bytes: Buffer;
  /** By the fetch adapter, whose results have other types than those of the http adapter. */
  readonly isFetched: boolean;
}

/** The decompressed body is larger than `maxContentLength`. */
export class DecompressedTooLarge extends Error {}

/** With these settings axios returns the bytes of the body as they were received. */
export const AS_RECEIVED: Partial<RequestConfig> = { responseType: 'arraybuffer', decompress: false };

/** The fetch adapter always decompresses, so an uncompressed body is requested, unless the caller sets the header. */
export function withEncodingFor(choice: AdapterChoice, headers: MAuthHeaderFields): Record<string, unknown> {
  const isAsked = Object.keys(keepHeaders(headers, (name) => name === 'accept-encoding')).length > 0;
  return isFetch(choice) && !isAsked ? { ...headers, 'Accept-Encoding': 'identity' } : { ...headers };
}

/** Undefined if the adapter returned no bytes, or decompressed ones. */
export function receivedBody({ data, headers, status, config }: AxiosResponse): ReceivedBody | undefined {
  const body: unknown = data;
  if (Buffer.isBuffer(body)) return { bytes: body, isFetched: false };
  if (!types.isAnyArrayBuffer(body)) return undefined;
  const bytes = Buffer.from(body);
  const isEmpty = bytes.length === 0 && (isBodiless(config, status) || status === 304);
  return /^(identity)?$/.test(encodingOf(headers)) || isEmpty ? { bytes, isFetched: true } : undefined;
}

/**
 * Sets `response.data` to the value that axios would have made of the bytes with the caller's config. The transforms of
 * the response run afterwards.
 *
 * @throws DecompressedTooLarge, or the error of the decompression
 */
export async function deliver(
  response: AxiosResponse,
  body: ReceivedBody,
  config: RequestConfig,
): Promise<void> {
  const bytes = config.decompress === false ? body.bytes : await decompressed(response, body.bytes, config);
  response.data = await (body.isFetched ? asFetched(response, bytes, config) : asRead(bytes, config));
}

function asRead(bytes: Buffer, { responseType, responseEncoding }: RequestConfig): unknown {
  if (responseType === 'stream') return Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false });
  if (responseType === 'arraybuffer') return bytes;
  const encoding = responseEncoding as BufferEncoding | undefined;
  const text = bytes.toString(encoding);
  return !encoding || encoding === 'utf8' ? text.replace(/^\ufeff/, '') : text;
}

function asFetched(
  { status, statusText, headers }: AxiosResponse,
  bytes: Buffer,
  config: RequestConfig,
): unknown {
  const fields = Object.entries(headers as Record<string, string | string[]>);
  // `Response` refuses a body for these statuses.
  const response = new Response([204, 205, 304].includes(status) ? null : new Uint8Array(bytes), {
    status,
    statusText,
    headers: fields.flatMap(([name, lines]) => [lines].flat().map((line): [string, string] => [name, line])),
  });
  switch (String(config.responseType ?? 'text').toLowerCase()) {
    case 'arraybuffer':
      return response.arrayBuffer();
    case 'blob':
      return response.blob();
    case 'formdata':
      return response.formData();
    case 'stream':
      return response.body;
    default:
      return response.text();
  }
}

/** As axios' http adapter does. The header is removed, so that the caller does not decompress again. */
async function decompressed(response: AxiosResponse, bytes: Buffer, config: RequestConfig): Promise<Buffer> {
  const { headers, status } = response;
  const fields = headers as { delete(name: string): unknown };
  if (isBodiless(config, status)) fields.delete('content-encoding');
  const decode = DECODERS.get(encodingOf(headers));
  if (!decode) return bytes;
  fields.delete('content-encoding');
  if (bytes.length === 0) return bytes;
  const limit = Number(config.maxContentLength ?? -1);
  const maxOutputLength = limit > -1 ? Math.max(1, limit) : bufferConstants.MAX_LENGTH;
  try {
    const output = await decode(bytes, { maxOutputLength });
    if (limit > -1 && output.length > limit) throw new DecompressedTooLarge();
    return output;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new DecompressedTooLarge();
    throw error;
  }
}

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = zlib.constants;
const unzip = decoder(zlib.unzip, Z_SYNC_FLUSH);
const inflateRaw = decoder(zlib.inflateRaw, Z_SYNC_FLUSH);
/** Of Node 22.15 and later. */
const { zstdDecompress } = zlib as { zstdDecompress?: typeof zlib.unzip };

const DECODERS: ReadonlyMap<string, Decode> = new Map(
  Object.entries({
    gzip: unzip,
    'x-gzip': unzip,
    compress: unzip,
    'x-compress': unzip,
    // Some servers send the deflated bytes without the header of zlib around them.
    deflate: (bytes: Uint8Array, options: zlib.ZlibOptions) =>
      (bytes[0] === 0x78 ? unzip : inflateRaw)(bytes, options),
    br: decoder(zlib.brotliDecompress, BROTLI_OPERATION_FLUSH),
    ...(zstdDecompress && { zstd: decoder(zstdDecompress, undefined) }),
  }),
);

/** @param finishFlush accepts a body without its trailer, as axios does */
function decoder(decompress: typeof zlib.unzip, finishFlush: number | undefined): Decode {
  return (bytes, options) =>
    new Promise((resolve, reject) =>
      decompress(bytes, { ...options, ...(finishFlush !== undefined && { finishFlush }) }, (error, output) =>
        error ? reject(error) : resolve(output),
      ),
    );
}

function encodingOf(headers: unknown): string {
  const value = (headers as { get(name: string): unknown }).get('content-encoding');
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function isBodiless({ method }: Pick<RequestConfig, 'method'>, status: number): boolean {
  return method?.toUpperCase() === 'HEAD' || status === 204;
}

function isFetch(choice: AdapterChoice): boolean {
  return choice === 'fetch' || (Array.isArray(choice) && choice[0] === 'fetch');
}
