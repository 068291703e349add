import './packages.js';
export { ApiMAuth, type ApiMAuthOptions } from './mauth-security.js';
export { createMAuthDocument } from './mauth-document.js';
