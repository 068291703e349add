import { timingSafeEqual, type KeyObject } from 'node:crypto';
import { type MAuthSettings } from '../config/options.js';
import { type ByteString } from '../protocol/byte-string.js';
import { canonicalQuery } from '../protocol/canonical-target.js';
import {
  isTime,
  pickHeaders,
  readAuthentication,
  type HeaderPair,
  type MAuthHeaderFields,
  type MAuthVersion,
} from '../protocol/headers.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import {
  RequestLine,
  sha512,
  v1Closing,
  v1Opening,
  V1StringDigest,
  V2BodyDigest,
  v2TextBeforeQuery,
  type MessageHead,
} from '../protocol/string-to-sign.js';
import { digestSignedV2, verifyV1Digest } from '../protocol/signature.js';
import { inauthentic, type MAuthFailure } from './result.js';

/**
 * A signature as the headers of a message present it: of one version, by an app, at a time. Their form is good and the
 * time is now; whether the app has signed this message shows when it is verified.
 */
export class PresentedSignature {
  #arriving: V1StringDigest | V2BodyDigest | undefined;
  #digest: string | undefined;

  constructor(
    readonly version: MAuthVersion,
    /** As sent, in either case: the string to sign holds it so. */
    readonly appUuid: string,
    readonly signature: Buffer,
    /** Seconds since 1970, as sent. */
    readonly time: string,
    private readonly head: MessageHead,
  ) {}

  /** Hashes the next bytes of the body, in order; `isWhole` = they are all of it. */
  update(chunk: Uint8Array, isWhole?: boolean): void {
    (this.#arriving ??= this.#begin()).update(chunk, isWhole);
  }

  /**
   * Whether the owner of the key made the signature over this message: over the canonical string, or over those of
   * other clients. May be asked again with another key.
   *
   * @param body the whole body, where nothing was given to `update`; it is hashed when it is needed for the first time
   */
  isMadeWith(key: KeyObject, body?: Uint8Array): boolean {
    if (this.version === 1) return verifyV1Digest(key, this.#digestOf(body), this.signature);
    // The cheapest refusal first: a signature of another key, for which no text has to be made.
    const signed = digestSignedV2(key, this.signature);
    return signed !== undefined && this.#isOverThisMessage(signed, body);
  }

  #isOverThisMessage(signed: Uint8Array, body?: Uint8Array): boolean {
    const start = v2TextBeforeQuery(this.head, this.#digestOf(body), this.appUuid, this.time);
    const isSigned = (query: ByteString) => timingSafeEqual(signed, sha512(start + query));
    if (!(this.head instanceof RequestLine)) return isSigned('');
    const { query } = this.head;
    const canonical = canonicalQuery(query);
    return isSigned(canonical) || dialectQueries(query, canonical).some(isSigned);
  }

  #digestOf(body?: Uint8Array): string {
    if (this.#digest !== undefined) return this.#digest;
    if (body && body.length > 0) this.update(body, true);
    return (this.#digest = (this.#arriving ?? this.#begin()).digest());
  }

  #begin(): V1StringDigest | V2BodyDigest {
    if (this.version === 2) return new V2BodyDigest();
    return new V1StringDigest(v1Opening(this.head), v1Closing(this.appUuid, this.time));
  }
}

/** The signatures that a message presents. */
export class PresentedSignatures {
  constructor(
    /** The answer if none of them holds. */
    readonly failure: MAuthFailure,
    /** The version that is tried first, and the app it names; for the log. */
    readonly version?: MAuthVersion,
    readonly appUuid?: string,
    /** Verified first; undefined when the message is inauthentic for another reason. */
    readonly first?: PresentedSignature,
    /** Verified if the first one does not hold. */
    readonly second?: PresentedSignature,
  ) {}

  /** The same of a message that is inauthentic for another reason. */
  rejected(failure: MAuthFailure): PresentedSignatures {
    return new PresentedSignatures(failure, this.version, this.appUuid);
  }
}

type TimeRules = Pick<MAuthSettings, 'allowedDriftSeconds' | 'now'>;
type HeaderRules = Pick<MAuthSettings, 'v2OnlyAuthenticate' | 'disableFallbackToV1'> & TimeRules;

// One for all messages: most of them need it in case their signature does not match, and have one that does.
const MISMATCH = inauthentic('signature_mismatch');
const UNSIGNED = new PresentedSignatures(inauthentic('missing_headers'));

/**
 * Reads the headers of a message. A version counts as present when its authentication header is, even if empty.
 *
 * @param head undefined when method or target are such as cannot be signed
 */
export function readSignatures(
  headers: MAuthHeaderFields,
  head: MessageHead | undefined,
  rules: HeaderRules,
): PresentedSignatures {
  const picked = pickHeaders(headers);
  const v1 = picked.v1.authentication === undefined ? undefined : readSignature(1, picked.v1, head, rules);
  const v2 = picked.v2.authentication === undefined ? undefined : readSignature(2, picked.v2, head, rules);
  if (!v2) {
    if (!v1) return UNSIGNED;
    if (rules.v2OnlyAuthenticate) return new PresentedSignatures(inauthentic('missing_v2'), 1, v1.appUuid);
    return new PresentedSignatures(v1.failure, 1, v1.appUuid, v1.signature);
  }
  const { appUuid, failure, signature } = v2;
  if (!v1 || !appUuid || rules.v2OnlyAuthenticate || rules.disableFallbackToV1) {
    return new PresentedSignatures(failure, 2, appUuid, signature);
  }
  // V1 stands behind V2 as an independent signature of the same app.
  if (v1.appUuid?.toLowerCase() !== appUuid.toLowerCase()) {
    return new PresentedSignatures(inauthentic('app_uuid_mismatch'), 2, appUuid, signature);
  }
  if (!signature) return new PresentedSignatures(failure, 2, appUuid, v1.signature);
  return new PresentedSignatures(failure, 2, appUuid, signature, v1.signature);
}

/** A header pair that is there: a signature, or the reason why it is none. */
class ReadPair {
  constructor(
    /** Why there is no signature; of a signature, that it does not match. */
    readonly failure: MAuthFailure,
    readonly appUuid?: string,
    readonly signature?: PresentedSignature,
  ) {}
}

function readSignature(
  version: MAuthVersion,
  { authentication = '', time }: HeaderPair,
  head: MessageHead | undefined,
  rules: TimeRules,
): ReadPair {
  const { appUuid, signature } = readAuthentication(version, authentication);
  if (!appUuid || !signature) return new ReadPair(inauthentic('malformed_headers'), appUuid);
  if (!isTime(time)) return new ReadPair(inauthentic('malformed_time'), appUuid);
  if (!isTimely(time, rules)) return new ReadPair(inauthentic('time_out_of_range'), appUuid);
  if (!head) return new ReadPair(inauthentic('malformed_request'), appUuid);
  return new ReadPair(MISMATCH, appUuid, new PresentedSignature(version, appUuid, signature, time, head));
}

/** Whether the time of a message is accepted now. False for a clock that answers NaN. */
export function isTimely(time: string, { allowedDriftSeconds, now }: TimeRules): boolean {
  return Math.abs(Math.floor(now() / 1000) - Number(time)) <= allowedDriftSeconds;
}
