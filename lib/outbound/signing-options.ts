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

/** Tells whether requests to an origin, such as `https://api.example.com`, are signed. */
export type SignedOrigins = (origin: string) => boolean;

/**
 * Reads `signedOrigins`. A signature does not cover the host, so the receiver of a signed request can hand it on to
 * another service: it should be sent only where it is meant to go.
 *
 * @param origins scheme, host and, unless it is the scheme's own, port; undefined = all origins are signed
 * @throws MAuthConfigurationError when the list is empty or an entry is not an origin
 */
export function readSignedOrigins(origins: readonly string[] | undefined): SignedOrigins {
  if (origins === undefined) return () => true;
  if (!Array.isArray(origins) || origins.length === 0) {
    throw new MAuthConfigurationError(
      'MAuth option `http.signedOrigins` must be a list of at least one origin; leave it out to sign requests to all.',
    );
  }
  const signed = new Set(origins.map(readOrigin));
  return (origin) => signed.has(origin);
}

function readOrigin(text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isOrigin && url.pathname === '/') return url.origin;
  throw new MAuthConfigurationError(
    'MAuth option `http.signedOrigins` must hold origins such as "https://api.example.com" or ' +
      '"http://localhost:3000": http or https, host and port, without path, query or credentials.',
  );
}
