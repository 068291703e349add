import { KeyObject } from 'node:crypto';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { isMadeByOwner } from '../protocol/signature.js';
import { type PublicKeys } from '../service/public-key-source.js';
import { type MaybePromise } from './maybe-promise.js';
import { type LogObserver } from './log-observer.js';
import { type PresentedSignature, type PresentedSignatures } from './presented-signatures.js';
import { inauthentic, undecided, type MAuthFailure, type MAuthUndecidedCode } from './result.js';
import { type Verdict, type Verifier } from './verification.js';

/** Verifies here, with the app's public key. A body that comes in chunks is hashed as it arrives and never kept. */
export class LocalVerifier implements Verifier {
  readonly #appUuid: string;
  /** With which the signatures were verified last. */
  key: KeyObject | undefined;

  /** @param keys undefined where keys cannot be found */
  constructor(
    private readonly keys: PublicKeys | undefined,
    private readonly signatures: PresentedSignatures,
    private readonly log: LogObserver,
  ) {
    this.#appUuid = signatures.appUuid?.toLowerCase() ?? '';
  }

  update(chunk: Uint8Array, isWhole?: boolean): void {
    this.signatures.first?.update(chunk, isWhole);
    this.signatures.second?.update(chunk, isWhole);
  }

  prepare(): MaybePromise<MAuthFailure | undefined> {
    if (!this.keys) return undecided('not_configured');
    try {
      const key = this.keys.find(this.#appUuid);
      if (key === undefined || key instanceof KeyObject) return this.#use(key);
      return key.then((found) => this.#use(found), notFound);
    } catch (error) {
      return notFound(error);
    }
  }

  verify(body?: Uint8Array): MaybePromise<Verdict> {
    if (!this.key) throw new Error('conclude() comes after prepare() has found a key.');
    return this.#verifyWith(this.key, body) ?? this.#verifyWithNewerKey(this.key, body);
  }

  get mismatch(): MAuthAuthenticatedEvent['detail'] {
    const { first } = this.signatures;
    if (!this.key || !first) return undefined;
    return isMadeByOwner(this.key, first.signature) ? 'other_message' : 'other_key';
  }

  #use(key: KeyObject | undefined): MAuthFailure | undefined {
    this.key = key;
    return key ? undefined : inauthentic('unknown_app');
  }

  /** The signature does not match, but the app may have a new key. */
  async #verifyWithNewerKey(used: KeyObject, body?: Uint8Array): Promise<Verdict> {
    const newer = await this.keys?.findNewer(this.#appUuid, used).catch(() => undefined);
    if (!newer) return this.signatures.failure;
    this.key = newer;
    return this.#verifyWith(newer, body) ?? this.signatures.failure;
  }

  #verifyWith(key: KeyObject, body?: Uint8Array): PresentedSignature | undefined {
    const { first, second, version: presented } = this.signatures;
    for (const signature of [first, second]) {
      if (!signature) continue;
      const { version, appUuid } = signature;
      // V1 behind a V2 that did not hold is an attempt of its own.
      if (version !== presented) this.log.attempted(version, appUuid);
      if (!signature.isMadeWith(key, body)) continue;
      this.keys?.noteVerified(this.#appUuid);
      return signature;
    }
    return undefined;
  }
}

function notFound(error: unknown): MAuthFailure {
  const known = error instanceof MAuthUnableToAuthenticateError;
  return undecided(known ? (error.code as MAuthUndecidedCode) : 'key_lookup_failed');
}
