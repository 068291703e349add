import { type KeyObject } from 'node:crypto';

/** A public key, and for how long its source vouches for it. */
export interface FoundPublicKey {
  readonly key: KeyObject;
  /** Seconds, as told by the source; the cache applies its floor, default and cap. */
  readonly maxAgeSeconds?: number;
}

/**
 * Where public keys come from: the MAuth service, or the application's own `findPublicKey`.
 *
 * `undefined` means that there is no such app. Whatever is thrown is a `MAuthUnableToAuthenticateError` whose code
 * is a `MAuthUndecidedCode`.
 */
export interface PublicKeySource {
  fetch(appUuid: string): Promise<FoundPublicKey | undefined>;
}

/**
 * What verification asks. An answer that is at hand comes without a promise, so that no request waits a turn of
 * the event loop for a cached key.
 */
export interface PublicKeys {
  /** @param appUuid in lower case */
  find(appUuid: string): KeyObject | undefined | Promise<KeyObject | undefined>;
  /**
   * After a signature did not match: the app may have a new key. Answers a key other than `used` if there is one
   * now, at most once per app and cool-down; `undefined` = there is none, or it is not known.
   */
  findNewer(appUuid: string, used: KeyObject): Promise<KeyObject | undefined>;
}
