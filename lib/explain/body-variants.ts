import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import * as zlib from 'node:zlib';
import { sha512Hex } from '../protocol/string-to-sign.js';
import { jsonSpellings } from './json-spellings.js';
import { variantsOf, type Change, type Variant } from './variants.js';

/** Larger bodies are compared as they are, given, or empty. */
const MOST_BYTES = 1024 * 1024;
/** Larger bodies are changed in one way only. */
const MOST_BYTES_TWICE = 64 * 1024;
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** A body that may have been signed; hashed once, however many combinations it is part of. */
export class BodyForm {
  /** Whether its bytes are known, and not its digest alone. */
  readonly isKnown: boolean = true;
  readonly #digests = new Map<string, string>();

  constructor(readonly bytes: Uint8Array) {}

  /** SHA-512, as lower-case hexadecimal. */
  get digest(): string {
    return this.digestBy('sha512');
  }

  /** The same by another hash, named as in node:crypto. */
  digestBy(algorithm: string): string {
    const known = this.#digests.get(algorithm);
    if (known !== undefined) return known;
    const digest = hash(algorithm, this.bytes, 'hex');
    this.#digests.set(algorithm, digest);
    return digest;
  }
}

/**
 * Bodies that may have been signed for one that was received.
 *
 * @param until milliseconds since 1970: what has not been made by then is left out
 */
export function bodyVariants(
  received: Uint8Array,
  given: readonly Uint8Array[],
  until: number,
): Variant<BodyForm>[] {
  const changes = received.length <= MOST_BYTES ? [...CHANGES, ...jsonChanges(received, until)] : [];
  const depth = received.length <= MOST_BYTES_TWICE ? 2 : 1;
  const variants = variantsOf<Uint8Array>(received, [LEFT_OUT, ...changes], depth, sha512Hex, until);
  const known = new Set(variants.map(({ value }) => sha512Hex(value)));
  const others = given.filter((body) => body instanceof Uint8Array && !known.has(sha512Hex(body)));
  const all: Variant<Uint8Array>[] = [
    variants[0],
    ...others.map((value): Variant<Uint8Array> => ({ value, causes: ['body_given'] })),
    ...variants.slice(1),
  ];
  return all.map(({ value, causes }) => ({ value: new BodyForm(value), causes }));
}

const LEFT_OUT: Change<Uint8Array> = {
  code: 'body_left_out',
  apply: (bytes) => (bytes.length > 0 ? Buffer.alloc(0) : undefined),
};

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (latin1: string): Buffer => Buffer.from(latin1, 'latin1');
const startsWithMark = (bytes: Uint8Array): boolean => MARK.every((byte, at) => bytes[at] === byte);
const bound = { maxOutputLength: 4 * MOST_BYTES };

/** A body of no bytes is changed by none of them. */
const CHANGES: readonly Change<Uint8Array>[] = (
  [
    { code: 'body_final_newline', apply: (bytes) => bytesOf(`${text(bytes)}\n`) },
    { code: 'body_final_newline', apply: (bytes) => bytesOf(`${text(bytes)}\r\n`) },
    { code: 'body_final_newline', apply: (bytes) => bytesOf(text(bytes).replace(/\r?\n$/, '')) },
    { code: 'body_line_ends', apply: (bytes) => bytesOf(text(bytes).replaceAll('\r\n', '\n')) },
    { code: 'body_line_ends', apply: (bytes) => bytesOf(text(bytes).replace(/\r?\n/g, '\r\n')) },
    { code: 'body_line_ends', apply: (bytes) => bytesOf(text(bytes).replace(/[\r\n]/g, '')) },
    {
      code: 'body_byte_order_mark',
      apply: (bytes) => (startsWithMark(bytes) ? bytes.subarray(3) : Buffer.concat([MARK, bytes])),
    },
    {
      code: 'body_charset',
      apply: (bytes) => {
        const latin1 = isUtf8(bytes) ? Buffer.from(Buffer.from(bytes).toString('utf8'), 'latin1') : undefined;
        return latin1 && latin1.toString('latin1') === Buffer.from(bytes).toString('utf8')
          ? latin1
          : undefined;
      },
    },
    { code: 'body_charset', apply: (bytes) => Buffer.from(text(bytes), 'utf8') },
    {
      code: 'body_charset',
      apply: (bytes) =>
        isUtf8(bytes) ? Buffer.from(Buffer.from(bytes).toString('utf8'), 'utf16le') : undefined,
    },
    { code: 'body_compressed', apply: (bytes) => zlib.unzipSync(bytes, bound) },
    { code: 'body_compressed', apply: (bytes) => zlib.brotliDecompressSync(bytes, bound) },
    { code: 'body_compressed', apply: (bytes) => zlib.gzipSync(bytes) },
    { code: 'body_compressed', apply: (bytes) => zlib.gzipSync(bytes, { level: 9 }) },
    { code: 'body_compressed', apply: (bytes) => zlib.gzipSync(bytes, { level: 1 }) },
    { code: 'body_compressed', apply: (bytes) => zlib.deflateSync(bytes) },
  ] satisfies Change<Uint8Array>[]
).map(({ code, apply }) => ({ code, apply: (bytes) => (bytes.length > 0 ? apply(bytes) : undefined) }));

function jsonChanges(received: Uint8Array, until: number): Change<Uint8Array>[] {
  return jsonSpellings(received, until).map((spelling): Change<Uint8Array> => ({
    code: 'body_json_rewritten',
    apply: (bytes) => (bytes === received ? spelling : undefined),
  }));
}
