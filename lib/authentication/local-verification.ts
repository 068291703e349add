import { type KeyObject } from 'node:crypto';
import { type PublicKeys } from '../keys/public-key-source.js';
import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { V1StringDigest, V2BodyDigest } from '../protocol/body-digest.js';
import { toBytes } from '../protocol/byte-string.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import { verifyV1Digest, verifyV2 } from '../protocol/signature.js';
import { v1Closing, v1Opening, v2Text, type MessageHead } from '../protocol/string-to-sign.js';
import { type MaybePromise } from './and-then.js';
import { type Claim, type Claims } from './claims.js';
import { type ReplayProtection } from './replay-protection.js';
import {
  inauthentic,
  undecided,
  type MAuthFailure,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './result.js';
import { Verification } from './verification.js';

type Digest = V1StringDigest | V2BodyDigest;

/** Verifies here, with the app's public key. A body that comes in chunks is hashed as it arrives and never kept. */
export class LocalVerification extends Verification {
  readonly #keys: PublicKeys | undefined;
  #key: KeyObject | undefined;
  /** One for each live claim, once the body begins to arrive: what passed cannot be hashed later. */
  #arriving: readonly Digest[] | undefined;
  #body: Uint8Array | undefined;
  readonly #finished: string[] = [];

  constructor(
    settings: MAuthSettings,
    keys: PublicKeys | undefined,
    head: MessageHead | undefined,
    claims: Claims,
    replays?: ReplayProtection,
  ) {
    super(settings, head, claims, replays);
    this.#keys = keys;
  }

  update(chunk: Uint8Array, isWhole?: boolean): void {
    if (this.rejected) return;
    this.#arriving ??= this.claims.live.map((claim) => digestOf(claim, this.head as MessageHead));
    for (const digest of this.#arriving) digest.update(chunk, isWhole);
  }

  findKey(): MaybePromise<MAuthFailure | undefined> {
    this.attempt();
    if (this.rejected) return this.refuse(this.rejected);
    if (!this.#keys) return this.refuse(undecided('not_configured'));
    try {
      const key = this.#keys.find(this.appUuid);
      if (!(key instanceof Promise)) return this.#found(key);
      return key.then(
        (found) => this.#found(found),
        (error) => this.#notFound(error),
      );
    } catch (error) {
      return this.#notFound(error);
    }
  }

  protected verify(body?: Uint8Array): MaybePromise<MAuthResult> {
    const key = this.#key;
    if (!key) throw new Error('conclude() comes after findKey() has found a key.');
    this.#body = body;
    return this.#verify(key) ?? this.#verifyWithNewerKey(key);
  }

  #found(key: KeyObject | undefined): MAuthFailure | undefined {
    this.#key = key;
    return key ? undefined : this.refuse(inauthentic('unknown_app'));
  }

  #notFound(error: unknown): MAuthFailure {
    const known = error instanceof MAuthUnableToAuthenticateError;
    return this.refuse(undecided(known ? (error.code as MAuthUndecidedCode) : 'key_lookup_failed'));
  }

  /** The first claim that holds, as a result. */
  #verify(key: KeyObject): MAuthResult | undefined {
    const { live } = this.claims;
    for (let index = 0; index < live.length; index++) {
      const claim = live[index];
      this.attemptClaim(claim);
      if (holds(claim, this.head as MessageHead, this.#digest(index), key)) return this.accept(claim);
    }
    return undefined;
  }

  /** The signature does not match, but the app may have a new key. */
  async #verifyWithNewerKey(used: KeyObject): Promise<MAuthResult> {
    const newer = await this.#keys?.findNewer(this.appUuid, used).catch(() => undefined);
    return (newer && this.#verify(newer)) ?? this.refuse(this.claims.failure);
  }

  /** Of the body, as the claim's version wants it. A whole body is not hashed for a V1 claim behind a V2 that holds. */
  #digest(index: number): string {
    return (this.#finished[index] ??= this.#finish(index));
  }

  #finish(index: number): string {
    if (this.#arriving) return this.#arriving[index].digest();
    const digest = digestOf(this.claims.live[index], this.head as MessageHead);
    if (this.#body && this.#body.length > 0) digest.update(this.#body);
    return digest.digest();
  }
}

function digestOf({ version, appUuid, time }: Claim, head: MessageHead): Digest {
  return version === 1 ? new V1StringDigest(v1Opening(head), v1Closing(appUuid, time)) : new V2BodyDigest();
}

/** Whether the claim's signature is one over this message: the canonical string, then those of other clients. */
function holds(
  { version, appUuid, time, signature }: Claim,
  head: MessageHead,
  digest: string,
  key: KeyObject,
): boolean {
  if (version === 1) return verifyV1Digest(key, digest, signature);
  const verify = (query?: string) =>
    verifyV2(key, toBytes(v2Text(head, digest, appUuid, time, query)), signature);
  if (verify()) return true;
  return 'query' in head && dialectQueries(head.query).some((query) => verify(query));
}
