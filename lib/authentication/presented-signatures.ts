import { type MAuthSettings } from '../config/options.js';
import {
  pickHeaders,
  readAuthentication,
  type MAuthHeaderFields,
  type HeaderPair,
} from '../protocol/headers.js';
import { type MAuthVersion } from '../protocol/string-to-sign.js';
import { isTime } from '../protocol/time.js';
import { inauthentic, type MAuthFailure } from './result.js';

/** One version's claim that an app signed the message at a time. Its form and time are good; no more is known. */
export class Claim {
  constructor(
    readonly version: MAuthVersion,
    /** As sent, in either case: the string to sign holds it so. */
    readonly appUuid: string,
    readonly signature: Buffer,
    /** Seconds since 1970, as sent. */
    readonly time: string,
  ) {}
}

/** All that the headers of a message claim. */
export class Claims {
  constructor(
    /** The answer if no claim holds. */
    readonly failure: MAuthFailure,
    /** The version that is tried first, and the app it names; for the log. */
    readonly version?: MAuthVersion,
    readonly appUuid?: string,
    /** What is verified first; undefined when the message is inauthentic whatever its signatures are. */
    readonly first?: Claim,
    /** What is verified if that does not hold. */
    readonly second?: Claim,
  ) {}

  /** The same claims about a message that is inauthentic for another reason, whatever its signatures are. */
  inVain(failure: MAuthFailure): Claims {
    return new Claims(failure, this.version, this.appUuid);
  }
}

type TimeRules = Pick<MAuthSettings, 'allowedDriftSeconds' | 'now'>;
type ClaimRules = Pick<MAuthSettings, 'v2OnlyAuthenticate' | 'disableFallbackToV1'> & TimeRules;

// One for all messages: most of them need it in case their signature does not match, and have one that does.
const MISMATCH = inauthentic('signature_mismatch');
const UNSIGNED = new Claims(inauthentic('missing_headers'));

/** Reads the headers of a message. A version counts as present when its authentication header is, even if empty. */
export function readClaims(headers: MAuthHeaderFields, rules: ClaimRules): Claims {
  const picked = pickHeaders(headers);
  const v1 = readClaim(1, picked.v1, rules);
  const v2 = readClaim(2, picked.v2, rules);
  if (v2) return v2Claims(v2, v1, rules);
  if (!v1) return UNSIGNED;
  const { appUuid } = v1;
  if (rules.v2OnlyAuthenticate) return new Claims(inauthentic('missing_v2'), 1, appUuid);
  return new Claims(v1.failure, 1, appUuid, v1.claim);
}

/** V2, and behind it V1 as an independent claim of the same app where the rules allow that. */
function v2Claims(v2: ReadClaim, v1: ReadClaim | undefined, rules: ClaimRules): Claims {
  const { appUuid, claim, failure } = v2;
  if (!v1 || !appUuid || rules.v2OnlyAuthenticate || rules.disableFallbackToV1) {
    return new Claims(failure, 2, appUuid, claim);
  }
  if (v1.appUuid?.toLowerCase() !== appUuid.toLowerCase()) {
    return new Claims(inauthentic('app_uuid_mismatch'), 2, appUuid, claim);
  }
  return claim ? new Claims(failure, 2, appUuid, claim, v1.claim) : new Claims(failure, 2, appUuid, v1.claim);
}

/** A header pair that is present: a claim, or the reason why it is none. */
class ReadClaim {
  constructor(
    /** Why the claim is none; for a claim, that its signature does not match. */
    readonly failure: MAuthFailure,
    readonly appUuid?: string,
    readonly claim?: Claim,
  ) {}
}

function readClaim(
  version: MAuthVersion,
  { authentication, time }: HeaderPair,
  rules: TimeRules,
): ReadClaim | undefined {
  if (authentication === undefined) return undefined;
  const { appUuid, signature } = readAuthentication(version, authentication);
  if (!appUuid || !signature) return new ReadClaim(inauthentic('malformed_headers'), appUuid);
  if (!isTime(time)) return new ReadClaim(inauthentic('malformed_time'), appUuid);
  if (!isTimely(time, rules)) return new ReadClaim(inauthentic('time_out_of_range'), appUuid);
  return new ReadClaim(MISMATCH, appUuid, new Claim(version, appUuid, signature, time));
}

/** Whether the time of a message is accepted now. False for a clock that answers NaN. */
export function isTimely(time: string, { allowedDriftSeconds, now }: TimeRules): boolean {
  return Math.abs(Math.floor(now() / 1000) - Number(time)) <= allowedDriftSeconds;
}
