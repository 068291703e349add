import { type KeyObject } from 'node:crypto';
import { type PublicKeys } from '../keys/public-key-source.js';
import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { V1StringDigest, V2BodyDigest } from '../protocol/body-digest.js';
import { toBytes } from '../protocol/byte-string.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import { verifyV1Digest, verifyV2 } from '../protocol/signature.js';
import { v1Closing, v1Opening, v2Text, type MessageHead } from '../protocol/string-to-sign.js';
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

/** A claim, and the digest of the body that belongs to its version. */
interface HashedClaim {
  readonly claim: Claim;
  readonly digest: string;
}

/** Verifies here, with the app's public key. The body is hashed as it arrives and never kept. */
export class LocalVerification extends Verification {
  readonly #hashing: readonly { claim: Claim; digest: V1StringDigest | V2BodyDigest }[];
  readonly #keys: PublicKeys | undefined;
  #key: KeyObject | undefined;

  constructor(
    settings: MAuthSettings,
    keys: PublicKeys | undefined,
    head: MessageHead | undefined,
    claims: Claims,
    replays?: ReplayProtection,
  ) {
    super(settings, head, claims, replays);
    this.#keys = keys;
    this.#hashing =
      head && !this.rejected ? claims.live.map((claim) => ({ claim, digest: digestOf(claim, head) })) : [];
  }

  update(chunk: Uint8Array): void {
    for (const { digest } of this.#hashing) digest.update(chunk);
  }

  findKey(): MAuthFailure | undefined | Promise<MAuthFailure | undefined> {
    this.attempt();
    if (this.rejected) return this.refuse(this.rejected);
    if (!this.#keys) return this.refuse(undecided('not_configured'));
    try {
      const key = this.#keys.find(this.appUuid);
      return key instanceof Promise ? key.then(this.#found, this.#notFound) : this.#found(key);
    } catch (error) {
      return this.#notFound(error);
    }
  }

  protected verify(): MAuthResult | Promise<MAuthResult> {
    const key = this.#key;
    if (!key) throw new Error('conclude() comes after findKey() has found a key.');
    const hashed = this.#hashing.map(({ claim, digest }) => ({ claim, digest: digest.digest() }));
    return this.#verify(key, hashed) ?? this.#verifyWithNewerKey(key, hashed);
  }

  readonly #found = (key: KeyObject | undefined): MAuthFailure | undefined => {
    this.#key = key;
    return key ? undefined : this.refuse(inauthentic('unknown_app'));
  };

  readonly #notFound = (error: unknown): MAuthFailure => {
    const known = error instanceof MAuthUnableToAuthenticateError;
    return this.refuse(undecided(known ? (error.code as MAuthUndecidedCode) : 'key_lookup_failed'));
  };

  /** The first claim that holds, as a result. */
  #verify(key: KeyObject, hashed: readonly HashedClaim[]): MAuthResult | undefined {
    for (const { claim, digest } of hashed) {
      this.attemptClaim(claim);
      if (holds(claim, this.head as MessageHead, digest, key)) return this.accept(claim);
    }
    return undefined;
  }

  /** The signature does not match, but the app may have a new key. */
  async #verifyWithNewerKey(used: KeyObject, hashed: readonly HashedClaim[]): Promise<MAuthResult> {
    const newer = await this.#keys?.findNewer(this.appUuid, used).catch(() => undefined);
    return (newer && this.#verify(newer, hashed)) ?? this.refuse(this.claims.failure);
  }
}

function digestOf({ version, appUuid, time }: Claim, head: MessageHead): V1StringDigest | V2BodyDigest {
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
