import { MAuthConfigurationError } from '../config/errors.js';

/** Which requests are signed, and how. */
export interface MAuthSigningOptions {
  /**
   * Origins that requests are signed for, such as `https://api.example.com`; others go out without MAuth headers.
   * MAuth does not cover the host, so name the services that you mean to call. Default: all.
   */
  signedOrigins?: readonly string[];
  /**
   * Largest stream, Blob or form that is held in memory to be signed, in bytes; above it the request fails with
   * `body_too_large`. Buffers and text are not limited. Default 64 MiB.
   */
  maxStreamBytes?: number;
}

const MAX_STREAM_BYTES = 64 * 1024 * 1024;

/** `maxStreamBytes` with its default; throws MAuthConfigurationError. */
export function readMaxStreamBytes(maxStreamBytes: unknown = MAX_STREAM_BYTES): number {
  if (Number.isSafeInteger(maxStreamBytes) && (maxStreamBytes as number) >= 0)
    return maxStreamBytes as number;
  throw new MAuthConfigurationError(
    'MAuth option `http.maxStreamBytes` must be a whole number of bytes, 0 or more.',
  );
}
