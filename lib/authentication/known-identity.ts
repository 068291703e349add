import { objectNotes, type ObjectNotes } from './object-notes.js';
import { Identity, type MAuthIdentity } from './result.js';

/** Room for who signed a message. */
class Signatory {
  identity?: MAuthIdentity;
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
