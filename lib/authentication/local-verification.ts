import { type KeyObject } from 'node:crypto';
import { type PublicKeys } from '../service/public-key-source.js';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type MessageHead } from '../protocol/string-to-sign.js';
import { isPromise, type MaybePromise } from './and-then.js';
import { ClaimedMessage } from './signature-check.js';
import { type Claims } from './presented-signatures.js';
import { type ReplayProtection } from './replay-protection.js';
import {
  inauthentic,
  undecided,
  type MAuthFailure,
  type MAuthResult,
  type MAuthUndecidedCode,
} from './result.js';
import { Verification } from './verification.js';

/** Verifies here, with the app's public key. A body that comes in chunks is hashed as it arrives and never kept. */
export class LocalVerification extends Verification {
  readonly #keys: PublicKeys | undefined;
  #key: KeyObject | undefined;
  readonly #first: ClaimedMessage | undefined;
  readonly #second: ClaimedMessage | undefined;
  #body: Uint8Array | undefined;

  constructor(
    settings: MAuthSettings,
    keys: PublicKeys | undefined,
    head: MessageHead | undefined,
    claims: Claims,
    replays?: ReplayProtection,
  ) {
    super(settings, head, claims, replays);
    this.#keys = keys;
    const { first, second } = claims;
    this.#first = first && head && new ClaimedMessage(first, head);
    this.#second = second && head && new ClaimedMessage(second, head);
  }

  update(chunk: Uint8Array, isWhole?: boolean): void {
    this.#first?.update(chunk, isWhole);
    this.#second?.update(chunk, isWhole);
  }

  findKey(): MaybePromise<MAuthFailure | undefined> {
    this.attempt();
    if (this.rejected) return this.refuse(this.rejected);
    if (!this.#keys) return this.refuse(undecided('not_configured'));
    try {
      const key = this.#keys.find(this.appUuid);
      if (!isPromise(key)) return this.#found(key);
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
    return this.#try(this.#first, key) ?? this.#try(this.#second, key);
  }

  #try(message: ClaimedMessage | undefined, key: KeyObject): MAuthResult | undefined {
    if (!message) return undefined;
    this.attemptClaim(message.claim);
    if (!message.isSignedWith(key, this.#body)) return undefined;
    this.#keys?.noteVerified(this.appUuid);
    return this.accept(message.claim);
  }

  /** The signature does not match, but the app may have a new key. */
  async #verifyWithNewerKey(used: KeyObject): Promise<MAuthResult> {
    const newer = await this.#keys?.findNewer(this.appUuid, used).catch(() => undefined);
    return (newer && this.#verify(newer)) ?? this.refuse(this.claims.failure);
  }
}
