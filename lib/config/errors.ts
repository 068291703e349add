/**
 * The errors of the core. They are plain errors, never HTTP exceptions: a bad answer of an upstream must not
 * turn into a 401 for our own caller. Each has a stable `code`; `cause` is the error that led to it, if there was one.
 * No error ever holds a key, a signature, the bytes of a body or a query value.
 *
 * @example
 * catch (error) {
 *   if (error instanceof MAuthError) logger.warn(`MAuth: ${error.code}`);
 *   throw error;
 * }
 */
// Each class says its own name, so that it stays the same where a minifier renames classes.
export abstract class MAuthError extends Error {
  static override readonly name: string = 'MAuthError';

  constructor(
    /** Stable and documented: made for programs, unlike the message. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * A response is not authentic: it was not signed by the app that it names, or not validly, or not in time. `code` is
 * one of `MAuthInauthenticCode`, or `unexpected_app`.
 *
 * @example
 * try {
 *   await firstValueFrom(http.get(url, { mauth: { authenticateResponse: true } }));
 * } catch (error) {
 *   if (error instanceof MAuthInauthenticError) logger.error(`The answer cannot be trusted: ${error.code}`);
 * }
 */
export class MAuthInauthenticError extends MAuthError {
  static override readonly name: string = 'MAuthInauthenticError';
}

/**
 * Whether a response is authentic could not be decided: the MAuth service is down, its answer is unusable, or the bytes
 * of the response are lost. `code` is one of `MAuthUndecidedCode`, or `body_unavailable`. The same request may succeed
 * later.
 */
export class MAuthUnableToAuthenticateError extends MAuthError {
  static override readonly name: string = 'MAuthUnableToAuthenticateError';
}

/**
 * A message cannot be signed as it stands; nothing was sent. `code` says why, such as `malformed_url`, `body_too_large`
 * or `no_private_key`.
 */
export class MAuthUnableToSignError extends MAuthError {
  static override readonly name: string = 'MAuthUnableToSignError';
}

/** An option or environment variable is missing or wrong; the message names it and the remedy. `code` is `configuration`. */
export class MAuthConfigurationError extends MAuthError {
  static override readonly name: string = 'MAuthConfigurationError';

  constructor(message: string, options?: ErrorOptions) {
    super('configuration', message, options);
  }
}
