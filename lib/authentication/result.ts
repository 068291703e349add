import { Identity, type MAuthIdentity } from './identity.js';

/** Why a message is inauthentic (401). For the log; the caller never learns it. */
export type MAuthInauthenticCode =
  /** No MAuth header at all. */
  | 'missing_headers'
  /** V1 headers only, and `v2OnlyAuthenticate` is set. */
  | 'missing_v2'
  /** An authentication header does not follow the grammar, or came more than once. */
  | 'malformed_headers'
  /** The time header is missing, malformed or came more than once. */
  | 'malformed_time'
  /** The time lies further from now than `allowedDriftSeconds`. */
  | 'time_out_of_range'
  /** Method or target are not such as can be signed. */
  | 'malformed_request'
  /** Path or query can be read in two ways, and `pathPolicy` is `strict`. */
  | 'ambiguous_path'
  /** The V1 and V2 headers name different apps. */
  | 'app_uuid_mismatch'
  /** The MAuth service does not know the app. */
  | 'unknown_app'
  /** The signature is not one of this app over this message. */
  | 'signature_mismatch'
  /** The same signature was accepted before (replay protection). */
  | 'replayed';

/** Why it could not be decided whether a message is authentic (503). */
export type MAuthUndecidedCode =
  /** The bytes of the body could not be had. */
  | 'body_unavailable'
  /** Neither `mauthUrl` nor `findPublicKey` is set. */
  | 'not_configured'
  /** The MAuth service did not answer in time, or with an error. */
  | 'service_unavailable'
  /** The MAuth service refuses our own questions (401, 403): the UUID or key of this app is not what it knows. */
  | 'own_app_refused'
  /** The MAuth service's answer could not be used. */
  | 'service_answer_malformed'
  /** The public key that was found is malformed, too weak, or of another type than RSA. */
  | 'unusable_public_key'
  /** Too many look-ups are under way. */
  | 'too_many_lookups'
  /** `findPublicKey` failed. */
  | 'key_lookup_failed'
  /** The store of replay protection is full or cannot be reached. */
  | 'replay_store_unavailable';

/** A closed list: a switch over it can be exhaustive. */
export type MAuthFailureCode = MAuthInauthenticCode | MAuthUndecidedCode;

/** A message that is not taken for authentic. */
export interface MAuthFailure {
  readonly authentic: false;
  /** 401: inauthentic. 503: it could not be decided. */
  readonly status: 401 | 503;
  /** Why; for the log, never for the caller. */
  readonly code: MAuthFailureCode;
}

/** A message whose signature was verified. */
export class Authentic extends Identity {
  readonly authentic = true;
}

/** The outcome of an authentication. */
export type MAuthResult = ({ readonly authentic: true } & MAuthIdentity) | MAuthFailure;

export function inauthentic(code: MAuthInauthenticCode): MAuthFailure {
  return Object.freeze({ authentic: false, status: 401, code });
}

export function undecided(code: MAuthUndecidedCode): MAuthFailure {
  return Object.freeze({ authentic: false, status: 503, code });
}
