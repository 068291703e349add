export { type MAuthIdentity, type MAuthResult } from '../authentication/result.js';
export { type Answer as MAuthAnswer } from '../http/answers.js';
export { type LambdaAnswer } from './answer-event.js';
export { eventTarget } from './event-target.js';
export { authenticateEvent, createLambdaAuthenticator, withMAuth } from './from-environment.js';
export {
  FunctionAuthenticator,
  type AuthenticatedHandler,
  type ProtectedHandler,
} from './event-authenticator.js';
export { LambdaAuthenticator, type LambdaVerdict } from './lambda-authenticator.js';
export { lambdaRequestTarget, withLambdaEvent } from './lambda-request-target.js';
