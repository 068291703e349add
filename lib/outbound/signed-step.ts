import { MAuthConfigurationError, MAuthUnableToSignError } from '../config/errors.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { causeInWords, kindOfError } from './signature-traces.js';

/** The part of `MAuthSigner` that signs requests. */
export type RequestSigner = Pick<MAuthSigner, 'signRequest'>;

/** One request of a chain: the first, or one that a redirect has led to. */
export interface SignedStep {
  readonly method: string;
  readonly url: URL;
  /** Whether the request is signed: only as long as no redirect has led away from the first origin. */
  readonly signed: boolean;
}

/** Whether the URL is requested over HTTP; a `data:` URL, for example, is not. */
export function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:';
}

/** The part of a URL that the server gets in the request line, also when the request goes over a proxy. */
export function requestTarget(url: URL): string {
  return url.pathname + url.search;
}

/**
 * The headers that the signature of a step is sent in; none for a step that is not signed.
 *
 * @throws MAuthUnableToSignError that of the signer, or `signing_failed` with what else the signer fails with in words
 */
export async function signatureOf(
  { method, url, signed }: SignedStep,
  body: Uint8Array,
  signer: RequestSigner,
): Promise<Record<string, string>> {
  if (!signed) return {};
  try {
    return await signer.signRequest({ method, url: requestTarget(url), body });
  } catch (error) {
    if (error instanceof MAuthUnableToSignError) throw error;
    const reason = error instanceof MAuthConfigurationError ? error.message : kindOfError(error);
    throw new MAuthUnableToSignError('signing_failed', `The request could not be signed: ${reason}`, {
      cause: causeInWords(error),
    });
  }
}

/** What a redirect makes of a step. */
export interface Redirect {
  readonly method: string;
  /** The request that follows is a GET without a body. */
  readonly isGet: boolean;
  /** Another origin, to which no credentials go and no signature. */
  readonly isElsewhere: boolean;
  /** Whether a header, its name in lower case, is not for the request that follows. */
  readonly drops: (name: string) => boolean;
}

/** What is not for another origin. follow-redirects, axios and undici hold it back too. */
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie']);

/** The rules of redirects (RFC 9110, section 15.4, and the fetch standard). */
export function redirectOf({ method, url: from }: SignedStep, status: number, to: URL): Redirect {
  // A POST may become a GET at 301 and 302; at 303 all but HEAD do.
  const isGet =
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && !/^(GET|HEAD)$/.test(method));
  const isElsewhere = to.origin !== from.origin;
  return {
    method: isGet ? 'GET' : method,
    isGet,
    isElsewhere,
    drops: (name) => (isGet && name.startsWith('content-')) || (isElsewhere && CREDENTIALS.has(name)),
  };
}
