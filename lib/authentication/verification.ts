import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { type MAuthSettings } from '../config/options.js';
import { known, type MAuthEvents } from '../events/mauth-events.js';
import { printable, printablePath } from '../events/printable.js';
import { StatusLine, type MessageHead } from '../protocol/string-to-sign.js';
import { isPromise, type MaybePromise } from './maybe-promise.js';
import { type LogObserver } from './log-observer.js';
import { isAmbiguousTarget } from './path-policy.js';
import { isTimely, PresentedSignature, type PresentedSignatures } from './presented-signatures.js';
import { type ReplayProtection } from './replay-protection.js';
import { Authentic, inauthentic, undecided, type MAuthFailure, type MAuthResult } from './result.js';

/** Decides about the signatures of one message: this process with the app's public key, or the MAuth service. */
export interface Verifier {
  /** The next bytes of the body, in order; `isWhole` = they are all of it. */
  update(chunk: Uint8Array, isWhole?: boolean): void;
  /** Gets what it needs; a failure where it could not. What is there costs no turn of the event loop. */
  prepare(): MaybePromise<MAuthFailure | undefined>;
  /** The signature that holds, or why none does. To be asked once, and only when it is prepared. */
  verify(body?: Uint8Array): MaybePromise<Verdict>;
  /** Of a signature that did not match: who made it; undefined where that cannot be told. */
  readonly mismatch: MAuthAuthenticatedEvent['detail'];
}

export type Verdict = PresentedSignature | MAuthFailure;

/** Rules and helpers that all messages of one authenticator share. */
export interface VerificationContext {
  readonly settings: MAuthSettings;
  readonly log: LogObserver;
  readonly events: MAuthEvents;
}

/**
 * One message on its way through verification: headers, UUID, time, method and target were checked when it began; then
 * the key is found; then the body arrives; then the signature is verified. A message that fails early costs no hash, no
 * RSA and no look-up.
 */
export class Verification {
  /** Set when the message is already known to be inauthentic: its body need not be looked at. */
  readonly rejected: MAuthFailure | undefined;
  readonly #begun = performance.now();
  /** Observers were told what was decided. */
  #isReported = false;

  constructor(
    private readonly context: VerificationContext,
    /** Of a request, whether targets that can be read in two ways are refused. */
    private readonly kind: MAuthSettings['pathPolicy'] | 'response',
    /** Undefined when method or target are such as cannot be signed. */
    private readonly head: MessageHead | undefined,
    readonly signatures: PresentedSignatures,
    /** Gets the bytes of the body as they come; they must stay as they are until `conclude` has settled. */
    readonly verifier: Verifier,
    /** Undefined when the message may come as often as it likes. */
    private readonly replays?: ReplayProtection,
  ) {
    this.rejected = signatures.first ? undefined : signatures.failure;
  }

  /**
   * Gets ready to verify: finds the app's public key. To be called once, also for a rejected message.
   *
   * @param routed the targets that a router or handler goes by, where they may differ from the one that was signed
   * @returns a failure, or undefined when verification can go on
   */
  prepare(routed: readonly string[] = []): MaybePromise<MAuthFailure | undefined> {
    const { version, appUuid } = this.signatures;
    this.context.log.attempted(version, appUuid);
    if (this.rejected) return this.refuse(this.rejected);
    if (this.kind === 'strict' && routed.some(isAmbiguousTarget)) {
      return this.refuse(inauthentic('ambiguous_path'));
    }
    const failure = this.verifier.prepare();
    if (!failure) return undefined;
    if (isPromise(failure)) return failure.then((late) => late && this.refuse(late));
    return this.refuse(failure);
  }

  /**
   * Verifies. To be called once, after `prepare` found no failure. The caller that goes by the outcome calls `accepted` then.
   *
   * @param body the whole body, where nothing was given to `update`
   */
  conclude(body?: Uint8Array): MaybePromise<MAuthResult> {
    const verdict = this.verifier.verify(body);
    if (verdict instanceof PresentedSignature) return this.#acceptOnce(verdict);
    if (isPromise(verdict)) return verdict.then((late) => this.#decide(late));
    return this.refuse(verdict);
  }

  /** Instead of `prepare`, where the bytes of the body are lost: neither "authentic" nor "no body" can be said. */
  refuseWithoutBody(): MAuthFailure {
    this.context.log.attempted(this.signatures.version, this.signatures.appUuid);
    return this.refuse(undecided('body_unavailable'));
  }

  /** Reports that the message is authentic, and nothing else speaks against it. */
  accepted({
    protocolVersion,
    appUuid,
  }: {
    readonly protocolVersion: 1 | 2;
    readonly appUuid: string;
  }): void {
    const usedFallback = protocolVersion !== this.signatures.version;
    const { log, events } = this.context;
    if (!usedFallback && !events.areDecisionsObserved) return;
    const event = this.#event({ outcome: 'authentic', appUuid, protocolVersion, usedFallback });
    log.authenticated(event);
    this.#report(event);
  }

  /** Reports a failure: of verification, or of what surrounds it. */
  refuse<F extends { readonly status: number; readonly code: string }>(failure: F): F {
    const { code } = failure;
    const { appUuid, version: protocolVersion } = this.signatures;
    const event = this.#event({
      outcome: failure.status === 401 ? 'inauthentic' : 'undecided',
      code,
      detail: code === 'signature_mismatch' ? this.verifier.mismatch : undefined,
      appUuid: appUuid?.toLowerCase(),
      protocolVersion,
      usedFallback: false,
    });
    this.#report(event);
    this.context.log.authenticated(event);
    return failure;
  }

  /** Something has failed that never should: nothing was decided. */
  failed(): void {
    this.#report(this.#event({ outcome: 'undecided', code: 'service_unavailable', usedFallback: false }));
  }

  /** Milliseconds since the head of the message was read. */
  get durationMs(): number {
    return performance.now() - this.#begun;
  }

  #event(decision: Decision): MAuthAuthenticatedEvent {
    const source = this.kind === 'response' ? 'response' : 'request';
    const { durationMs } = this;
    return known({ ...decision, source, ...subjectOf(this.head), durationMs });
  }

  /** Once: what is decided later is about what surrounds the message. */
  #report(event: MAuthAuthenticatedEvent): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.context.events.authenticated(event);
  }

  #decide(verdict: Verdict): MaybePromise<MAuthResult> {
    return verdict instanceof PresentedSignature ? this.#acceptOnce(verdict) : this.refuse(verdict);
  }

  /** Only what was verified is remembered, so that others cannot use up the room for it. */
  #acceptOnce(signature: PresentedSignature): MaybePromise<MAuthResult> {
    if (!this.replays) return this.#accept(signature);
    const replayed = this.replays.check(signature.signature);
    if (isPromise(replayed)) return replayed.then((late) => this.#acceptFirst(signature, late));
    return this.#acceptFirst(signature, replayed);
  }

  #acceptFirst(signature: PresentedSignature, failure: MAuthFailure | undefined): MAuthResult {
    if (failure) return this.refuse(failure);
    // A copy whose body came slowly may be so late that its original has been forgotten since its head was read.
    const isLate = !isTimely(signature.time, this.context.settings);
    return isLate ? this.refuse(inauthentic('time_out_of_range')) : this.#accept(signature);
  }

  #accept({ version, appUuid }: PresentedSignature): MAuthResult {
    return new Authentic(appUuid.toLowerCase(), version);
  }
}

/** The part of an event that a verification decides. */
type Decision = {
  readonly [Name in 'outcome' | 'usedFallback']: MAuthAuthenticatedEvent[Name];
} & {
  readonly [Name in 'code' | 'detail' | 'appUuid' | 'protocolVersion']?:
    MAuthAuthenticatedEvent[Name] | undefined;
};

function subjectOf(
  head: MessageHead | undefined,
): Pick<MAuthAuthenticatedEvent, 'method' | 'path' | 'status'> {
  if (!head) return {};
  if (head instanceof StatusLine) return { status: head.status };
  return { method: printable(head.method), path: printablePath(head.path) };
}
