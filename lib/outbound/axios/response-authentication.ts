import { rememberIdentity } from '../../authentication/identity.js';
import { type MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import {
  MAuthConfigurationError,
  MAuthInauthenticError,
  MAuthUnableToAuthenticateError,
} from '../../config/errors.js';
import { ownProperties, ownProperty } from '../../protocol/own-properties.js';
import { isAppUuid } from '../../protocol/headers.js';
import { type AxiosResponse, type MAuthRequestOptions } from './axios-types.js';

/** Which responses are authenticated, and who may have signed them. */
export interface MAuthResponseAuthenticationOptions {
  /** Authenticate every response, unless its request says otherwise. Default: where `expectAppUuid` is set. */
  authenticateResponses?: boolean;
  /** The app that must have signed the responses. Default: any app. */
  expectAppUuid?: string;
}

/** The part of `MAuthAuthenticator` that is needed here. */
export type ResponseAuthenticator = Pick<MAuthAuthenticator, 'authenticateResponse'>;

/** How one response is checked before the caller gets it. */
export interface ResponseCheck {
  readonly authenticator: ResponseAuthenticator;
  /** In lower case. */
  readonly expectAppUuid: string | undefined;
}

/** The check for one response, by the `mauth` in the config of its request; undefined = it is not authenticated. */
export type ResponseChecks = (request: MAuthRequestOptions | undefined) => ResponseCheck | undefined;

/**
 * @throws MAuthConfigurationError that names the option and the remedy. The returned function throws it too, for the
 * options of one request.
 */
export function responseChecks(
  options: MAuthResponseAuthenticationOptions,
  authenticator: ResponseAuthenticator | undefined,
): ResponseChecks {
  const { authenticateResponses, expectAppUuid } = ownProperties(options);
  const expectedOfAll = readExpected('http.expectAppUuid', expectAppUuid);
  if (expectedOfAll && authenticateResponses === false) {
    throw new MAuthConfigurationError(
      'MAuth option `http.expectAppUuid` is set, but `http.authenticateResponses` is false; remove one of them.',
    );
  }
  const isDefault = authenticateResponses ?? expectedOfAll !== undefined;
  if (isDefault) required(authenticator);
  return (request) => {
    const { authenticateResponse, expectAppUuid: expectedOfOne } = ownProperties(request ?? {});
    const expected = readExpected('mauth.expectAppUuid', expectedOfOne);
    if (expected && authenticateResponse === false) {
      throw new MAuthConfigurationError(
        'MAuth option `mauth.expectAppUuid` is set, but `mauth.authenticateResponse` is false; remove one of them.',
      );
    }
    const isWanted = authenticateResponse ?? (expected !== undefined || isDefault);
    if (!isWanted) return undefined;
    return { authenticator: required(authenticator), expectAppUuid: expected ?? expectedOfAll };
  };
}

/**
 * Authenticates the response, and remembers who signed it for `getMAuthIdentity(response)`.
 *
 * @param body as received; undefined = the received bytes are not available
 * @throws MAuthInauthenticError with the code of the failure, or `unexpected_app`; MAuthUnableToAuthenticateError
 */
export async function authenticateResponse(
  response: AxiosResponse,
  body: Uint8Array | undefined,
  { authenticator, expectAppUuid }: ResponseCheck,
): Promise<void> {
  const { status } = response;
  const events = ownProperty(authenticator as Partial<MAuthAuthenticator>, 'events');
  const begun = performance.now();
  const about = { usedFallback: false, source: 'response', status } as const;
  if (!body) {
    events?.authenticated({
      ...about,
      outcome: 'undecided',
      code: 'body_unavailable',
      durationMs: performance.now() - begun,
    });
    throw new MAuthUnableToAuthenticateError(
      'body_unavailable',
      `The response (status ${status}) could not be authenticated: its bytes are not available as they were received. ` +
        "The fetch adapter decompresses; use axios' http adapter, or ask for `Accept-Encoding: identity`.",
    );
  }
  const headers = Object.entries(response.headers as Record<string, string>);
  const result = await authenticator.authenticateResponse({ status, headers, body });
  if (!result.authentic) {
    const message = `The response (status ${status}) `;
    throw result.status === 401
      ? new MAuthInauthenticError(result.code, `${message}is not authentic: ${result.code}.`)
      : new MAuthUnableToAuthenticateError(
          result.code,
          `${message}could not be authenticated: ${result.code}.`,
        );
  }
  if (expectAppUuid && result.appUuid !== expectAppUuid) {
    const { appUuid, protocolVersion } = result;
    events?.authenticated({
      ...about,
      outcome: 'forbidden',
      code: 'unexpected_app',
      appUuid,
      protocolVersion,
      durationMs: performance.now() - begun,
    });
    throw new MAuthInauthenticError(
      'unexpected_app',
      `The response (status ${status}) was signed by the app ${result.appUuid}, and not by ${expectAppUuid}.`,
    );
  }
  rememberIdentity(response, result);
}

function readExpected(option: string, uuid: unknown): string | undefined {
  if (uuid === undefined) return undefined;
  if (isAppUuid(uuid)) return uuid.toLowerCase();
  throw new MAuthConfigurationError(
    `MAuth option \`${option}\` must be a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.`,
  );
}

function required(authenticator: ResponseAuthenticator | undefined): ResponseAuthenticator {
  if (authenticator) return authenticator;
  throw new MAuthConfigurationError(
    'Responses are to be authenticated, but there is no authenticator: pass `authenticator` to signAxios(), ' +
      'or use MAuthHttpService.',
  );
}
