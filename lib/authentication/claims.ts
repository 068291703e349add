import { type MAuthSettings } from '../mauth.options.js';
import { pickHeaders, readAuthentication, type HeaderFields, type HeaderPair } from '../protocol/headers.js';
import { type MAuthVersion } from '../protocol/string-to-sign.js';
import { isTime } from '../protocol/time.js';
import { inauthentic, type MAuthFailure } from './result.js';

/** One version's claim that an app signed the message at a time. Its form and time are good; no more is known. */
export interface Claim {
  readonly version: MAuthVersion;
  /** As sent, in either case: the string to sign holds it so. */
  readonly appUuid: string;
  readonly signature: Buffer;
  /** Seconds since 1970, as sent. */
  readonly time: string;
}

/** All that the headers of a message claim. */
export interface Claims {
  /** What may be verified, in the order in which it is tried. */
  readonly live: readonly Claim[];
  /** The answer if no live claim holds. */
  readonly failure: MAuthFailure;
  /** The version that is tried first, and the app it names; for the log. */
  readonly version?: MAuthVersion;
  readonly appUuid?: string;
}

type ClaimRules = Pick<
  MAuthSettings,
  'v2OnlyAuthenticate' | 'disableFallbackToV1' | 'allowedDriftSeconds' | 'now'
>;

/** Reads the headers of a message. A version counts as present when its authentication header is, even if empty. */
export function readClaims(headers: HeaderFields, rules: ClaimRules): Claims {
  const picked = pickHeaders(headers);
  const v1 = readClaim(1, picked[1], rules);
  const v2 = readClaim(2, picked[2], rules);
  if (v2) return v2Claims(v2, v1, rules);
  if (!v1) return { live: [], failure: inauthentic('missing_headers') };
  const named = { version: 1 as const, appUuid: v1.appUuid };
  if (rules.v2OnlyAuthenticate) return { live: [], failure: inauthentic('missing_v2'), ...named };
  return { live: livingOf(v1), failure: v1.failure, ...named };
}

/** V2, and behind it V1 as an independent claim of the same app where the rules allow that. */
function v2Claims(v2: ReadClaim, v1: ReadClaim | undefined, rules: ClaimRules): Claims {
  const { appUuid } = v2;
  const alone = { live: livingOf(v2), failure: v2.failure, version: 2 as const, appUuid };
  if (!v1 || !appUuid || rules.v2OnlyAuthenticate || rules.disableFallbackToV1) return alone;
  if (v1.appUuid?.toLowerCase() !== appUuid.toLowerCase()) {
    return { ...alone, failure: inauthentic('app_uuid_mismatch') };
  }
  return { ...alone, live: [...livingOf(v2), ...livingOf(v1)] };
}

/** A header pair that is present: a claim, or the reason why it is none. */
interface ReadClaim {
  readonly appUuid?: string;
  readonly claim?: Claim;
  /** Why the claim is none; for a claim, that its signature does not match. */
  readonly failure: MAuthFailure;
}

function readClaim(
  version: MAuthVersion,
  { authentication, time }: HeaderPair,
  { allowedDriftSeconds, now }: ClaimRules,
): ReadClaim | undefined {
  if (authentication === undefined) return undefined;
  const { appUuid, signature } = readAuthentication(version, authentication);
  if (!appUuid || !signature) return { appUuid, failure: inauthentic('malformed_headers') };
  if (!isTime(time)) return { appUuid, failure: inauthentic('malformed_time') };
  const drift = Math.abs(Math.floor(now() / 1000) - Number(time));
  // Written so that a clock that answers NaN refuses everything.
  if (!(drift <= allowedDriftSeconds)) return { appUuid, failure: inauthentic('time_out_of_range') };
  return {
    appUuid,
    claim: { version, appUuid, signature, time },
    failure: inauthentic('signature_mismatch'),
  };
}

function livingOf({ claim }: ReadClaim): Claim[] {
  return claim ? [claim] : [];
}
