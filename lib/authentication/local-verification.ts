import { type KeyObject } from 'node:crypto';
import { type PublicKeys } from '../keys/public-key-source.js';
import { MAuthUnableToAuthenticateError } from '../mauth.errors.js';
import { type MAuthSettings } from '../mauth.options.js';
import { V1StringDigest, V2BodyDigest } from '../protocol/body-digest.js';
import { toBytes } from '../protocol/byte-string.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import { verifyV1Digest, verifyV2 } from '../protocol/signature.js';
import { v1Closing, v1Opening, v2Text, type MessageHead } from '../protocol/string-to-sign.js';
import { logAttempt, logFailure, logFallback } from './attempt-log.js';
import { type Claim, type Claims } from './claims.js';
import {
  inauthentic,
  undecided,
  type MAuthFailure,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './result.js';
import { type Verification } from './verification.js';

/** A claim with the digest that its body is hashed into as it arrives. */
interface HashedClaim {
  readonly claim: Claim;
  readonly digest: V1StringDigest | V2BodyDigest;
}

/** Verifies here, with the app's public key. */
export class LocalVerification implements Verification {
  readonly rejected: MAuthFailure | undefined;
  readonly #hashed: readonly HashedClaim[];
  #key: KeyObject | undefined;

  constructor(
    private readonly settings: MAuthSettings,
    private readonly keys: PublicKeys | undefined,
    private readonly head: MessageHead | undefined,
    readonly claims: Claims,
  ) {
    const { live, failure } = claims;
    this.rejected = live.length === 0 ? failure : head ? undefined : inauthentic('malformed_request');
    this.#hashed =
      head && !this.rejected ? live.map((claim) => ({ claim, digest: digestOf(claim, head) })) : [];
  }

  update(chunk: Uint8Array): void {
    for (const { digest } of this.#hashed) digest.update(chunk);
  }

  findKey(): MAuthFailure | undefined | Promise<MAuthFailure | undefined> {
    logAttempt(this.settings, this.claims.version, this.claims.appUuid);
    if (this.rejected) return this.#refuse(this.rejected);
    if (!this.keys) return this.#refuse(undecided('not_configured'));
    try {
      const key = this.keys.find(this.#appUuid);
      return key instanceof Promise ? key.then(this.#found, this.#notFound) : this.#found(key);
    } catch (error) {
      return this.#notFound(error);
    }
  }

  conclude(): MAuthResult | Promise<MAuthResult> {
    const key = this.#key;
    if (!key) throw new Error('conclude() comes after findKey() has found a key.');
    const digests = this.#hashed.map(({ claim, digest }) => ({ claim, digest: digest.digest() }));
    return this.#verify(key, digests) ?? this.#verifyWithNewerKey(key, digests);
  }

  get #appUuid(): string {
    return (this.claims.appUuid as string).toLowerCase();
  }

  readonly #found = (key: KeyObject | undefined): MAuthFailure | undefined => {
    this.#key = key;
    return key ? undefined : this.#refuse(inauthentic('unknown_app'));
  };

  readonly #notFound = (error: unknown): MAuthFailure => {
    const known = error instanceof MAuthUnableToAuthenticateError;
    return this.#refuse(undecided(known ? (error.code as MAuthUndecidedCode) : 'key_lookup_failed'));
  };

  #refuse(failure: MAuthFailure): MAuthFailure {
    logFailure(this.settings, failure, this.head, this.claims.appUuid);
    return failure;
  }

  /** The first claim that holds, as a result. */
  #verify(key: KeyObject, digests: readonly { claim: Claim; digest: string }[]): MAuthResult | undefined {
    for (const { claim, digest } of digests) {
      const isFallback = claim.version !== this.claims.version;
      if (isFallback) logAttempt(this.settings, claim.version, claim.appUuid);
      if (!holds(claim, this.head as MessageHead, digest, key)) continue;
      if (isFallback) logFallback(this.settings);
      return { authentic: true, appUuid: this.#appUuid, protocolVersion: claim.version };
    }
    return undefined;
  }

  /** The signature does not match, but the app may have a new key. */
  async #verifyWithNewerKey(
    used: KeyObject,
    digests: readonly { claim: Claim; digest: string }[],
  ): Promise<MAuthResult> {
    const newer = await this.keys?.findNewer(this.#appUuid, used).catch(() => undefined);
    return (newer && this.#verify(newer, digests)) ?? this.#refuse(this.claims.failure);
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
  return 'query' in head && dialectQueries(head.query).some(verify);
}
