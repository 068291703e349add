export { isAppUuid } from './app-uuid.js';
export { MalformedMessageError, type MalformedMessageCode } from './malformed-message.error.js';
export { checkPrivateKey, readPrivateKey } from './private-key.js';
export { checkPublicKey, readPublicKey } from './public-key.js';
export { UnusableKeyError, type UnusableKeyCode } from './rsa-key.js';
export { verifySignature } from './signature.js';
export {
  stringToSign,
  type MAuthVersion,
  type MessageBody,
  type RequestMessage,
  type ResponseMessage,
  type SignableMessage,
} from './string-to-sign.js';
