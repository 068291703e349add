/**
 * The errors of the core. They are plain errors, never HTTP exceptions: a bad answer of an upstream must not
 * turn into a 401 for our own caller. Each has a stable `code`; `cause` holds what led to it, if anything did.
 * No error ever holds a key, a signature, the bytes of a body or a query value.
 *
 * Each class says its own name, so that a minifier that renames classes leaves it alone.
 */
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

/** The message was not signed by the app that it names, or not validly, or not in time. */
export class MAuthInauthenticError extends MAuthError {
  static override readonly name: string = 'MAuthInauthenticError';
}

/** Whether the message is authentic could not be decided: the MAuth service is down, or its answer is unusable. */
export class MAuthUnableToAuthenticateError extends MAuthError {
  static override readonly name: string = 'MAuthUnableToAuthenticateError';
}

/** The message cannot be signed as it stands; nothing was sent. */
export class MAuthUnableToSignError extends MAuthError {
  static override readonly name: string = 'MAuthUnableToSignError';
}

/** An option or environment variable is missing or wrong; the message names it and the remedy. */
export class MAuthConfigurationError extends MAuthError {
  static override readonly name: string = 'MAuthConfigurationError';

  constructor(message: string, options?: ErrorOptions) {
    super('configuration', message, options);
  }
}
