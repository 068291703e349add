/**
 * What the guard injects. Registered symbols, so that a guard of the CommonJS copy of this package finds what the
 * module of the ES copy provides, and the other way round.
 */
export const MAUTH_SETTINGS = Symbol.for('nestjs-mauth:settings');
export const MAUTH_INBOUND_AUTHENTICATOR = Symbol.for('nestjs-mauth:inbound-authenticator');
/** The services that are taken from the core of Nest. */
export const MAUTH_NEST = Symbol.for('nestjs-mauth:nest');
/** The value of `protect`. */
export const MAUTH_PROTECT = Symbol.for('nestjs-mauth:protect');
/** Signs responses. */
export const MAUTH_RESPONSE_SIGNING = Symbol.for('nestjs-mauth:response-signing');
/** The guard that message handlers are given, wherever Nest runs no global guards for them. */
export const MAUTH_MESSAGE_GUARD = Symbol.for('nestjs-mauth:message-guard');
/**
 * Takes the options of the application and gives those that count: the same ones, unless a test puts its own in their
 * place (`overrideMAuth` of `nestjs-mauth/testing`). The module does not export it.
 */
export const MAUTH_OPTIONS_OVERRIDE = Symbol.for('nestjs-mauth:options-override');
