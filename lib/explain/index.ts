export { explainRequest, type ExplainHints, type ReceivedRequest } from './explain-request.js';
export { type ComparedPart, type Explanation } from './explanation.js';
export { type ExplainCause, type ProvenCause } from './causes.js';
export { type MAuthHeaderFields } from '../protocol/headers.js';
export { UnusableKeyError, type UnusableKeyCode } from '../protocol/rsa-keys.js';
export { type MessageBody } from '../protocol/string-to-sign.js';
