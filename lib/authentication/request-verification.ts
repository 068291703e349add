import { type MAuthFailure, type MAuthResult } from './result.js';

/**
 * One request on its way through verification, in the order of protocol.md section 1: headers, UUID and time are
 * checked on construction; then the key is found; then the body arrives; then the signature is verified.
 * CONTRACT ONLY: being written.
 */
export interface RequestVerification {
  /** Set when headers, UUID, time, method or target were already wrong: the body need not be looked at. */
  readonly rejected: MAuthFailure | undefined;
  /** Whether any MAuth authentication header is there. */
  readonly hasHeaders: boolean;
  /** The next bytes of the body, in order. The chunk may be reused by the caller afterwards. */
  update(chunk: Uint8Array): void;
  /** Finds the app's public key. Resolves to a failure, or to undefined when verification can go on. Idempotent. */
  findKey(): MAuthFailure | undefined | Promise<MAuthFailure | undefined>;
  /** All bytes have been given to `update`: verifies. */
  conclude(): MAuthResult | Promise<MAuthResult>;
}
