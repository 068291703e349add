export { type MAuthIdentity } from '../authentication/identity.js';
export { type MAuthResult } from '../authentication/result.js';
export { type Answer as MAuthAnswer } from '../http/refusals.js';
export {
  authenticateEvent,
  createLambdaAuthenticator,
  EventAuthenticator,
  withMAuth,
  type AuthenticatedHandler,
  type ProtectedHandler,
} from './event-authenticator.js';
export { eventTarget } from './http-event.js';
export { type LambdaAnswer } from './http-event.js';
export { LambdaAuthenticator, type LambdaVerdict } from './lambda-authenticator.js';
export { lambdaRequestTarget, withLambdaEvent } from './lambda-request-target.js';
