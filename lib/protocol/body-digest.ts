import { createHash, type Hash } from 'node:crypto';
import { type ByteString } from './byte-string.js';
import { sha512Hex, SHA512_OF_NOTHING } from './string-to-sign.js';

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
