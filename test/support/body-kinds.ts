import { gzipSync } from 'node:zlib';
import { type HttpRequest } from './signed-http.js';

const BOUNDARY = 'x-boundary-x';

/** A form with a field and a file, as browsers and clients write it. */
export const MULTIPART = {
  contentType: `multipart/form-data; boundary=${BOUNDARY}`,
  file: Buffer.from('\x89PNG\r\n\x1a\n\0\0 not really an image \xff\xfe', 'latin1'),
  get body(): Buffer {
    const head =
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\na note\r\n` +
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n` +
      'Content-Type: image/png\r\n\r\n';
    return Buffer.concat([Buffer.from(head), this.file, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
  },
};

const JSON_TEXT = JSON.stringify({ study: 'Ärzte & Söhne', sites: [1, 2, 3], nested: { empty: '' } });

type BodyKind = Pick<HttpRequest, 'body' | 'chunkSize' | 'method'> & {
  readonly contentType?: string;
  readonly gzip?: true;
};

/** Every kind of body that a service receives, and the ways in which it may be framed. */
export const BODY_KINDS: readonly (readonly [string, BodyKind])[] = [
  ['JSON', { contentType: 'application/json', body: Buffer.from(JSON_TEXT) }],
  [
    'JSON of 90 kB',
    { contentType: 'application/json', body: Buffer.from(JSON.stringify({ long: 'j'.repeat(90_000) })) },
  ],
  ['JSON in chunks', { contentType: 'application/json', body: Buffer.from(JSON_TEXT), chunkSize: 7 }],
  ['gzip JSON', { contentType: 'application/json', body: gzipSync(JSON_TEXT), gzip: true }],
  ['vnd.api+json', { contentType: 'application/vnd.api+json', body: Buffer.from(JSON_TEXT) }],
  [
    'urlencoded',
    { contentType: 'application/x-www-form-urlencoded', body: Buffer.from('a=1&b=%C3%A9+x&a=2') },
  ],
  ['text', { contentType: 'text/plain; charset=utf-8', body: Buffer.from('Grüße\n') }],
  ['XML', { contentType: 'application/xml', body: Buffer.from('<?xml version="1.0"?><study id="1"/>') }],
  ['octets', { contentType: 'application/octet-stream', body: bytes(1000) }],
  ['octets in chunks', { contentType: 'application/octet-stream', body: bytes(1000), chunkSize: 1 }],
  ['5 MB of octets', { contentType: 'application/octet-stream', body: bytes(5_000_000) }],
  [
    '5 MB of octets in chunks',
    { contentType: 'application/octet-stream', body: bytes(5_000_000), chunkSize: 9_999 },
  ],
  ['multipart', { contentType: MULTIPART.contentType, body: MULTIPART.body }],
  ['no content type', { body: Buffer.from('anything') }],
  ['an empty body', { contentType: 'application/json', body: Buffer.alloc(0) }],
  ['an empty body in chunks', { contentType: 'text/plain', body: Buffer.alloc(0), chunkSize: 1 }],
  ['no body', {}],
  ['GET without a body', { method: 'GET' }],
  ['GET with a body', { method: 'GET', contentType: 'application/json', body: Buffer.from(JSON_TEXT) }],
  ['DELETE with a body', { method: 'DELETE', contentType: 'application/json', body: Buffer.from(JSON_TEXT) }],
];

/** Bytes that hold every value, and no two neighbouring slices alike. */
export function bytes(length: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let i = 0; i < length; i++) buffer[i] = (i * 31 + (i >> 8) * 17) & 0xff;
  return buffer;
}

/** The same bytes, but for one bit. */
export function flipped(body: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(body);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
