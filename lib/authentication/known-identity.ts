import { Identity, type MAuthIdentity } from './result.js';

// By a global name: the CommonJS and the ES module copy of this package must find each other's identities.
const IDENTITY = Symbol.for('nestjs-mauth:identity');

/** Who signed the message that the object stands for; undefined when nobody has found out. */
export function knownIdentity(message: object): MAuthIdentity | undefined {
  return Object.hasOwn(message, IDENTITY)
    ? (message as Record<symbol, MAuthIdentity | undefined>)[IDENTITY]
    : undefined;
}

/** Notes who signed the message; nothing but this package may. */
export function rememberIdentity(message: object, { appUuid, protocolVersion }: MAuthIdentity): void {
  Object.defineProperty(message, IDENTITY, new Hidden(Object.freeze(new Identity(appUuid, protocolVersion))));
}

/** Descriptor of a property that can be replaced, and is neither listed nor written to. */
class Hidden implements PropertyDescriptor {
  readonly configurable = true;

  constructor(readonly value: unknown) {}
}
