export {
  FakeMAuthService,
  type FakeMAuthServiceOptions,
  type MAuthServiceAnswer,
  type MAuthServiceCall,
  type MAuthServiceFault,
} from './fake-mauth-service.js';
export { setMAuthIdentity, withIdentity } from './identities.js';
export { generateMAuthKeyPair, type MAuthKeyPair } from './key-pairs.js';
export {
  MAuthTestingModule,
  overrideMAuth,
  type MAuthTestingAsyncOptions,
  type ProviderOverrides,
} from './mauth-testing.module.js';
export { signInject, type InjectOptions, type SignedInjectOptions } from './sign-inject.js';
export { signed, signTestRequest, type SignTestRequestOptions } from './sign-test-request.js';
export { type TestCaller, type TestCallerOptions } from './test-caller.js';
