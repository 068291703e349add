import { timingSafeEqual, type KeyObject } from 'node:crypto';
import { V1StringDigest, V2BodyDigest } from '../protocol/body-digest.js';
import { toBytes, type ByteString } from '../protocol/byte-string.js';
import { canonicalQuery } from '../protocol/canonical-query.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import { RequestLine } from '../protocol/request-target.js';
import { digestSignedV2, verifyV1Digest } from '../protocol/signature.js';
import {
  sha512,
  v1Closing,
  v1Opening,
  v2TextBeforeQuery,
  type MessageHead,
} from '../protocol/string-to-sign.js';
import { type Claim } from './presented-signatures.js';

type BodyDigest = V1StringDigest | V2BodyDigest;

/** A message as one claim says that it was signed. A body that comes in chunks is hashed as it arrives. */
export class ClaimedMessage {
  readonly #head: MessageHead;
  #arriving: BodyDigest | undefined;
  #digest: string | undefined;

  constructor(
    readonly claim: Claim,
    head: MessageHead,
  ) {
    this.#head = head;
  }

  /** The next bytes of the body, in order; `isWhole` = they are all of it. */
  update(chunk: Uint8Array, isWhole?: boolean): void {
    (this.#arriving ??= this.#begin()).update(chunk, isWhole);
  }

  /**
   * Whether the claim's signature is one of the key's owner over this message: the canonical string, then those of
   * other clients. May be asked again with another key.
   *
   * @param body the whole body, where nothing was given to `update`; not hashed before somebody asks
   */
  isSignedWith(key: KeyObject, body?: Uint8Array): boolean {
    const { version, signature } = this.claim;
    if (version === 1) return verifyV1Digest(key, this.#digestOf(body), signature);
    // First what costs least to see through: a signature that is none of this key's, whatever it came with.
    const signed = digestSignedV2(key, signature);
    return signed !== undefined && this.#isWhatWasSigned(signed, body);
  }

  #isWhatWasSigned(signed: Uint8Array, body?: Uint8Array): boolean {
    const { appUuid, time } = this.claim;
    const start = v2TextBeforeQuery(this.#head, this.#digestOf(body), appUuid, time);
    const isSigned = (query: ByteString) => timingSafeEqual(signed, sha512(toBytes(start + query)));
    if (!(this.#head instanceof RequestLine)) return isSigned('');
    const { query } = this.#head;
    const canonical = canonicalQuery(query);
    return isSigned(canonical) || dialectQueries(query, canonical).some(isSigned);
  }

  #begin(): BodyDigest {
    const { version, appUuid, time } = this.claim;
    return version === 1
      ? new V1StringDigest(v1Opening(this.#head), v1Closing(appUuid, time))
      : new V2BodyDigest();
  }

  #digestOf(body?: Uint8Array): string {
    return (this.#digest ??= this.#finish(body));
  }

  #finish(body?: Uint8Array): string {
    if (body && body.length > 0) this.update(body, true);
    return (this.#arriving ?? this.#begin()).digest();
  }
}
