import { createHash, type Hash } from 'node:crypto';
import { type ByteString } from './byte-string.js';
import { SHA512_OF_NOTHING } from './string-to-sign.js';

/** SHA-512 of a body that arrives in chunks: the part of a V2 string to sign that depends on it. */
export class V2BodyDigest {
  #hash?: Hash;

  update(chunk: Uint8Array): void {
    (this.#hash ??= createHash('sha512')).update(chunk);
  }

  /** Lower-case hexadecimal. Ends the digest. */
  digest(): string {
    return this.#hash?.digest('hex') ?? SHA512_OF_NOTHING;
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

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** Lower-case hexadecimal. Ends the digest. */
  digest(): string {
    return this.#hash.update(this.#closing, 'latin1').digest('hex');
  }
}
