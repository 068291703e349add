import { type ProvenCause } from './causes.js';

/** One part of the string to sign, on both sides. */
export interface ComparedPart {
  readonly name: 'method' | 'path' | 'query' | 'body' | 'app_uuid' | 'time';
  /** As it stands in the string that this side expects; a body as length and SHA-512. */
  readonly received: string;
  /** As the sender signed it; undefined where that is not known. */
  readonly signed?: string;
  /** Whether both are known to be the same. */
  readonly same: boolean;
}

/** Why a signature does not match. */
export interface Explanation {
  /**
   * - `authentic`: nothing is wrong
   * - `explained`: the causes account for all of it
   * - `unexplained`: the sender's key made it, but over a text that was not found
   * - `other_key`: the sender's key did not make it
   */
  readonly verdict: 'authentic' | 'explained' | 'unexplained' | 'other_key';
  /** Of the signature that was looked at; undefined where there is none. */
  readonly protocolVersion?: 1 | 2;
  /** One, or several that came together. */
  readonly causes: readonly ProvenCause[];
  readonly parts: readonly ComparedPart[];
  /** What this side expects to have been signed, bytes. */
  readonly stringToSign: Uint8Array;
  /** How many texts were compared. */
  readonly tried: number;
}
