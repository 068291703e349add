import { type RequestConfig } from './axios-types.js';
import { type MAuthHeaderFields } from '../header-fields.js';

/** One request of a chain: the first, or one that a redirect has led to. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  readonly headers: MAuthHeaderFields;
  readonly auth: RequestConfig['auth'];
  /** Whether the body goes along. */
  readonly withBody: boolean;
  /** Whether the request is signed: only as long as no redirect has led away from the first origin. */
  readonly signed: boolean;
}
