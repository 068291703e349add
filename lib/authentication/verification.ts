import { type MAuthSettings } from '../config/options.js';
import { type MessageHead } from '../protocol/string-to-sign.js';
import { andThen, type MaybePromise } from './and-then.js';
import { logAttempt, logFailure, logFallback } from './attempt-log.js';
import { isTimely, type Claim, type Claims } from './presented-signatures.js';
import { type ReplayProtection } from './replay-protection.js';
import { Authentic, inauthentic, undecided, type MAuthFailure, type MAuthResult } from './result.js';

/**
 * One message on its way through verification: headers, UUID, time, method and target are checked when it begins;
 * then the key is found; then the body arrives; then the signature is verified. A message that fails early costs
 * no hash, no RSA and no look-up.
 */
export abstract class Verification {
  /** Set when the message is already known to be inauthentic: its body need not be looked at. */
  readonly rejected: MAuthFailure | undefined;
  /** The app that the claims name, in lower case. */
  protected readonly appUuid: string;
  #accepted: Claim | undefined;

  constructor(
    protected readonly settings: MAuthSettings,
    /** Undefined when method or target are such as nobody can sign. */
    protected readonly head: MessageHead | undefined,
    readonly claims: Claims,
    /** Undefined when the message may come as often as it likes. */
    private readonly replays?: ReplayProtection,
  ) {
    const { first, failure, appUuid } = claims;
    this.appUuid = appUuid?.toLowerCase() ?? '';
    this.rejected = !first ? failure : head ? undefined : inauthentic('malformed_request');
  }

  /**
   * The next bytes of the body, in order. They must stay as they are until `conclude` has settled.
   *
   * @param isWhole these are all bytes of the body
   */
  abstract update(chunk: Uint8Array, isWhole?: boolean): void;

  /**
   * Finds the app's public key. Resolves to a failure, or to undefined when verification can go on. A key that is
   * at hand costs no turn of the event loop. To be called once, also for a rejected message: it writes the log line.
   */
  abstract findKey(): MaybePromise<MAuthFailure | undefined>;

  /**
   * Verifies. To be called once, after `findKey` found no failure.
   *
   * @param body the whole body, where it is at hand and nothing was given to `update`
   */
  conclude(body?: Uint8Array): MaybePromise<MAuthResult> {
    const result = this.verify(body);
    return this.replays ? andThen(result, (verified) => this.#onlyOnce(verified)) : result;
  }

  /** Whether one of the claims holds, as the result. */
  protected abstract verify(body?: Uint8Array): MaybePromise<MAuthResult>;

  /** Instead of `findKey`, where the bytes of the body cannot be had: neither "authentic" nor "no body" can be said. */
  refuseWithoutBody(): MAuthFailure {
    this.attempt();
    return this.refuse(undecided('body_unavailable'));
  }

  /** The first attempt begins. */
  protected attempt(): void {
    logAttempt(this.settings, this.claims.version, this.claims.appUuid);
  }

  /** A claim is about to be tried; V1 behind a V2 that did not hold is an attempt of its own. */
  protected attemptClaim({ version, appUuid }: Claim): void {
    if (this.#isFallback(version)) logAttempt(this.settings, version, appUuid);
  }

  protected accept(claim: Claim): MAuthResult {
    const { version } = claim;
    this.#accepted = claim;
    if (this.#isFallback(version)) logFallback(this.settings);
    return new Authentic(this.appUuid, version);
  }

  protected refuse(failure: MAuthFailure): MAuthFailure {
    logFailure(this.settings, failure, this.head, this.claims.appUuid);
    return failure;
  }

  /** Only what was verified is remembered, so nobody else can use up the room for it. */
  #onlyOnce(result: MAuthResult): MaybePromise<MAuthResult> {
    const accepted = this.#accepted;
    if (!result.authentic || !accepted || !this.replays) return result;
    return andThen(this.replays.check(accepted.signature), (failure): MAuthResult => {
      // A copy whose body came slowly may be this late that its original has been forgotten since its head was read.
      const isLate = !failure && !isTimely(accepted.time, this.settings);
      return failure || isLate ? this.refuse(failure ?? inauthentic('time_out_of_range')) : result;
    });
  }

  #isFallback(version: Claim['version']): boolean {
    return version !== this.claims.version;
  }
}
