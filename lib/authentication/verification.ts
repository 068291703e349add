import { type Claims } from './claims.js';
import { type MAuthFailure, type MAuthResult } from './result.js';

/**
 * One message on its way through verification: headers, UUID, time, method and target are checked when it begins;
 * then the key is found; then the body arrives; then the signature is verified. A message that fails early costs
 * no hash, no RSA and no look-up.
 */
export interface Verification {
  /** Set when the message is already known to be inauthentic: its body need not be looked at. */
  readonly rejected: MAuthFailure | undefined;
  readonly claims: Claims;
  /** The next bytes of the body, in order. The chunk may be reused afterwards. */
  update(chunk: Uint8Array): void;
  /**
   * Finds the app's public key. Resolves to a failure, or to undefined when verification can go on. A key that is
   * at hand costs no turn of the event loop. To be called once, also for a rejected message: it writes the log line.
   */
  findKey(): MAuthFailure | undefined | Promise<MAuthFailure | undefined>;
  /** All bytes have been given to `update`: verifies. To be called once, after `findKey` found no failure. */
  conclude(): MAuthResult | Promise<MAuthResult>;
}
