import { objectNotes, type ObjectNotes } from './object-notes.js';
import { type MAuthLogger } from '../config/options.js';
import { Identity, type MAuthIdentity } from './result.js';

/** Room for who signed a message. */
class Signatory {
  identity?: MAuthIdentity;
  /** Of the application that the message came to. */
  logger?: MAuthLogger;
}

// By a global name: the CommonJS and the ES module copy of this package must find each other's identities.
const SIGNATORIES = Symbol.for('nestjs-mauth:signatories');
const shared = globalThis as { [SIGNATORIES]?: ObjectNotes<object, Signatory> };
const signatories = shared[SIGNATORIES] ?? objectNotes<object, Signatory>();
if (!shared[SIGNATORIES]) Object.defineProperty(shared, SIGNATORIES, { value: signatories });

/** Who signed the message that the object stands for; undefined when nobody has found out. */
export function knownIdentity(message: object): MAuthIdentity | undefined {
  return signatories.get(message)?.identity;
}

/** Where to tell what is wrong with a signed message that has come in; undefined for other messages. */
export function loggerFor(message: object): MAuthLogger | undefined {
  return signatories.get(message)?.logger;
}

/** Notes who signed the message; nothing but this package may. */
export function rememberIdentity(message: object, { appUuid, protocolVersion }: MAuthIdentity): void {
  expectIdentity(message).identity = Object.freeze(new Identity(appUuid, protocolVersion));
}

/** Makes room for who signed the message, unless there is some: that costs least while the object is new. */
export function expectIdentity(message: object): Signatory {
  const known = signatories.get(message);
  if (known) return known;
  const signatory = new Signatory();
  signatories.set(message, signatory);
  return signatory;
}
