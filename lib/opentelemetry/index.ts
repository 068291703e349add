import './packages.js';
export { instrumentMAuth, type MAuthInstrumentationOptions } from './instrument-mauth.js';
