import { MAuthConfigurationError, MAuthUnableToSignError } from '../config/errors.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';
import { causeInWords, kindOfError } from './error-in-words.js';

/** Whoever signs requests. */
export type RequestSigner = Pick<MAuthSigner, 'signRequest'>;

/**
 * The headers that a signature is sent in.
 *
 * @throws MAuthUnableToSignError that of the signer, or `signing_failed` with what else the signer fails with in words
 */
export async function requestSignature(
  signer: RequestSigner,
  request: { method: string; url: string; body: Uint8Array },
): Promise<Record<string, string>> {
  try {
    return await signer.signRequest(request);
  } catch (error) {
    if (error instanceof MAuthUnableToSignError) throw error;
    const reason = error instanceof MAuthConfigurationError ? error.message : kindOfError(error);
    throw new MAuthUnableToSignError('signing_failed', `The request could not be signed: ${reason}`, {
      cause: causeInWords(error),
    });
  }
}
