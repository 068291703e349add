export { isAppUuid, type MAuthVersion } from './headers.js';
export { MalformedMessageError, type MalformedMessageCode } from './string-to-sign.js';
export { checkPrivateKey, readPrivateKey } from './rsa-keys.js';
export { checkPublicKey, readPublicKey } from './rsa-keys.js';
export { UnusableKeyError, type UnusableKeyCode } from './rsa-keys.js';
export { verifySignature } from './signature.js';
export {
  stringToSign,
  type MessageBody,
  type RequestMessage,
  type ResponseMessage,
  type SignableMessage,
} from './string-to-sign.js';
