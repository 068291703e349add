import { type HttpService } from '@nestjs/axios';
import { type MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { MAuthConfigurationError } from '../../config/errors.js';
import { ownProperties } from '../../protocol/own-properties.js';
import { type MAuthSigner } from '../../signing/mauth-signer.js';
import { type MAuthAxiosInstance, type AxiosInstance } from './axios-types.js';
import { adapterRunner } from './adapter-runner.js';
import { cleanError, cleanResponse } from '../clean-outcome.js';
import { joinInterceptors, withSigning } from './signing-interceptors.js';
import { responseChecks, type MAuthResponseAuthenticationOptions } from './response-authentication.js';
import { readSignedOrigins, readMaxStreamBytes, type MAuthSigningOptions } from '../signing-options.js';

/** What is attached to an axios instance besides the signer. */
export interface MAuthAttachOptions extends MAuthSigningOptions, MAuthResponseAuthenticationOptions {
  /** Who authenticates responses: all of them, or those whose request asks for it by `mauth` in its config. */
  authenticator?: Pick<MAuthAuthenticator, 'authenticateResponse'>;
}

interface Attachment {
  readonly signer: unknown;
  readonly authenticator: unknown;
  readonly options: string;
  readonly detach: () => void;
}

const attachments = new WeakMap<object, Attachment>();

/**
 * Signs every request that the instance sends from now on: with the bytes, the URL and the headers that really go
 * out, after all other interceptors and transforms; each redirect within one origin and each repetition afresh.
 * A redirect to another origin goes without MAuth headers.
 *
 * Signing with the same signer with the same options again changes nothing.
 *
 * Requests that cannot be signed fail with `MAuthUnableToSignError`, code `body_consumed`, `body_too_large`,
 * `body_unsupported`, `body_unreadable`, `body_timeout`, `malformed_url`, `signing_failed` or one of the signer's;
 * nothing is sent.
 *
 * Neither errors nor responses show a signature when they are logged: `request` is a description, agents in `config`
 * are stand-ins, and errors have no MAuth headers in `response.headers`. `config` can be sent again.
 *
 * With an `authenticator`, responses are authenticated where `authenticateResponses` or the request's own
 * `mauth: { authenticateResponse, expectAppUuid }` says so: the bytes as they were received, before the caller gets
 * them; of a chain of redirects the last response. `getMAuthIdentity(response)` tells who signed it. Otherwise the
 * request fails with `MAuthInauthenticError` (code of the failure, or `unexpected_app`) or
 * `MAuthUnableToAuthenticateError`.
 *
 * @param target an axios instance, or Nest's `HttpService`, whose instance is then used
 * @returns detaches again; requests that have been signed before, and are repeated, are still signed
 * @throws MAuthConfigurationError when another signer or other options are attached already, or an option is wrong
 *
 * @example
 * const detach = signAxios(axios.create({ baseURL }), new MAuthSigner(options), {
 *   signedOrigins: ['https://api.example.com'],
 *   authenticator: new MAuthAuthenticator(options),
 *   authenticateResponses: true,
 * });
 */
export function signAxios(
  target: MAuthAxiosInstance | HttpService,
  signer: Pick<MAuthSigner, 'signRequest'>,
  attachOptions: MAuthAttachOptions = {},
): () => void {
  const { authenticator, ...others } = ownProperties(attachOptions);
  const checkOptions: Omit<MAuthAttachOptions, 'authenticator'> = ownProperties(others);
  const { signedOrigins } = checkOptions;
  const axios = 'axiosRef' in target ? target.axiosRef : (target as AxiosInstance);
  const isSigned = readSignedOrigins(signedOrigins);
  const maxStreamBytes = readMaxStreamBytes(checkOptions.maxStreamBytes);
  const checks = responseChecks(checkOptions, authenticator);
  const { authenticateResponses, expectAppUuid } = checkOptions;
  const options = JSON.stringify([signedOrigins, maxStreamBytes, authenticateResponses, expectAppUuid]);
  const attached = attachments.get(axios);
  if (attached) return sameAttachment(attached, { signer, authenticator, options });
  const parts = { axios: adapterRunner(axios), signer, isSigned, maxStreamBytes, responseChecks: checks };
  const leave = joinInterceptors(axios, {
    config: (config) => withSigning(config, parts),
    response: (response) => cleanResponse(response),
    error: (error) => cleanError(error),
  });
  const detach = () => {
    if (attachments.get(axios)?.detach === detach) attachments.delete(axios);
    leave();
  };
  attachments.set(axios, { signer, authenticator, options, detach });
  return detach;
}

/** `attach` is another name for `signAxios`. */
export class MAuthAxiosInterceptor {
  /** See `signAxios`. */
  static attach(
    target: MAuthAxiosInstance | HttpService,
    signer: Pick<MAuthSigner, 'signRequest'>,
    options?: MAuthAttachOptions,
  ): () => void {
    return signAxios(target, signer, options);
  }
}

function sameAttachment(attached: Attachment, other: Omit<Attachment, 'detach'>): () => void {
  const isSame =
    attached.signer === other.signer &&
    attached.authenticator === other.authenticator &&
    attached.options === other.options;
  if (isSame) return attached.detach;
  throw new MAuthConfigurationError(
    'This axios instance is signed with another MAuthSigner or other options already; detach those first, ' +
      'or attach to an instance of its own: axios.create().',
  );
}
