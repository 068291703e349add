import { type KeyObject } from 'node:crypto';
import { type MAuthKeyFetchedEvent } from '../config/observer.js';
import { type ServiceFailureCode } from './service-connection.js';

/** A public key, and for how long its source vouches for it. */
export interface FoundPublicKey {
  readonly key: KeyObject;
  /** Seconds, as told by the source; the cache applies its floor, default and cap. */
  readonly maxAgeSeconds?: number;
}

/** Why a key is asked for. */
export type KeyFetchReason = MAuthKeyFetchedEvent['reason'];

/** Where public keys come from: the MAuth service, or the application's own `findPublicKey`. */
export interface PublicKeySource {
  /**
   * The app's public key; `undefined` means that there is no such app.
   *
   * @param appUuid in lower case
   * @param reason why it is asked, for observers
   * @param withinMs the promise settles within this time; default and upper bound: `service.deadlineMs`
   * @throws MAuthUnableToAuthenticateError whose code is a `KeyLookupFailureCode`
   */
  fetch(appUuid: string, reason: KeyFetchReason, withinMs?: number): Promise<FoundPublicKey | undefined>;
  /** Ends what is under way and closes connections. */
  close?(): void;
}

/** Why a public key could not be had; each is also a `MAuthUndecidedCode`. */
export type KeyLookupFailureCode =
  | ServiceFailureCode
  | 'service_answer_malformed'
  | 'unusable_public_key'
  | 'too_many_lookups'
  | 'key_lookup_failed';

/**
 * What verification asks. An answer that is in memory comes without a promise, so that no request waits a turn of
 * the event loop for a cached key. Nothing here throws synchronously.
 */
export interface PublicKeys {
  /**
   * @param appUuid in lower case
   * @returns undefined when there is no such app; rejects with MAuthUnableToAuthenticateError when that cannot be told
   */
  find(appUuid: string): KeyObject | undefined | Promise<KeyObject | undefined>;
  /**
   * After a signature did not match: the app may have a new key. Answers a key other than `used` if there is one
   * now, at most once per app and cool-down; `undefined` = there is none, or it is not known. Never rejects.
   */
  findNewer(appUuid: string, used: KeyObject): Promise<KeyObject | undefined>;
  /** A key of the app has verified a signature: unlike one whose UUID was only named, it is in use. */
  noteVerified(appUuid: string): void;
}
