import { MAuthUnableToAuthenticateError } from '../config/errors.js';

/** Why the MAuth service gave no answer that says anything; each is also a `MAuthUndecidedCode`. */
export type ServiceFailureCode = 'service_unavailable' | 'own_app_refused';

/** The MAuth service could not be asked, or does not listen to us. */
export class ServiceFailure extends MAuthUnableToAuthenticateError {
  static override readonly name: string = MAuthUnableToAuthenticateError.name;

  /** @param status with which it answered; undefined when there was no answer */
  constructor(
    code: ServiceFailureCode,
    message: string,
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}
