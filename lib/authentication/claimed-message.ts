import { type KeyObject } from 'node:crypto';
import { V1StringDigest, V2BodyDigest } from '../protocol/body-digest.js';
import { toBytes } from '../protocol/byte-string.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import { verifyV1Digest, verifyV2 } from '../protocol/signature.js';
import { StatusLine, v1Closing, v1Opening, v2Text, type MessageHead } from '../protocol/string-to-sign.js';
import { type Claim } from './claims.js';

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
    const digest = (this.#digest ??= this.#finish(body));
    if (version === 1) return verifyV1Digest(key, digest, signature);
    if (this.#holds(key, digest)) return true;
    return (
      !(this.#head instanceof StatusLine) &&
      dialectQueries(this.#head.query).some((query) => this.#holds(key, digest, query))
    );
  }

  #holds(key: KeyObject, digest: string, query?: string): boolean {
    const { appUuid, time, signature } = this.claim;
    return verifyV2(key, toBytes(v2Text(this.#head, digest, appUuid, time, query)), signature);
  }

  #begin(): BodyDigest {
    const { version, appUuid, time } = this.claim;
    return version === 1
      ? new V1StringDigest(v1Opening(this.#head), v1Closing(appUuid, time))
      : new V2BodyDigest();
  }

  #finish(body?: Uint8Array): string {
    if (body && body.length > 0) this.update(body, true);
    return (this.#arriving ?? this.#begin()).digest();
  }
}
