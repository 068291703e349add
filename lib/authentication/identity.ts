import { type MAuthLogger } from '../config/options.js';
import { privateFieldMap, type PrivateFieldMap } from './private-field-map.js';

/** Which app signed a message, and with which version of the protocol. */
export interface MAuthIdentity {
  /** UUID of the app whose signature was verified, in lower case. */
  readonly appUuid: string;
  /** 1 = MWS, 2 = MWSV2. */
  readonly protocolVersion: 1 | 2;
}

export class Identity implements MAuthIdentity {
  constructor(
    readonly appUuid: string,
    readonly protocolVersion: MAuthIdentity['protocolVersion'],
  ) {}
}

/** Room for who signed a message. */
export class IdentitySlot {
  identity?: MAuthIdentity;

  /** @param logger of the application that the message came to */
  constructor(public logger?: MAuthLogger) {}

  fill({ appUuid, protocolVersion }: MAuthIdentity): void {
    this.identity = Object.freeze(new Identity(appUuid, protocolVersion));
  }
}

// By a global name: the CommonJS and the ES module copy of this package must find each other's identities.
const SLOTS = Symbol.for('nestjs-mauth:identities');
const shared = globalThis as { [SLOTS]?: PrivateFieldMap<object, IdentitySlot> };
const slots = shared[SLOTS] ?? privateFieldMap<object, IdentitySlot>();
if (!shared[SLOTS]) Object.defineProperty(shared, SLOTS, { value: slots });

/** Who signed the message that the object stands for; undefined while that has not been verified. */
export function knownIdentity(message: object): MAuthIdentity | undefined {
  return slots.get(message)?.identity;
}

/** Where to tell what is wrong with a signed message that has come in; undefined for other messages. */
export function loggerFor(message: object): MAuthLogger | undefined {
  return slots.get(message)?.logger;
}

/** Notes who signed the message; only this package can. */
export function rememberIdentity(message: object, identity: MAuthIdentity): void {
  reserveIdentity(message).fill(identity);
}

/** Makes room for who signed the message, unless there is some: that costs least while the object is new. */
export function reserveIdentity(message: object, logger?: MAuthLogger): IdentitySlot {
  const known = slots.get(message);
  if (known) {
    known.logger = logger ?? known.logger;
    return known;
  }
  const slot = new IdentitySlot(logger);
  slots.set(message, slot);
  return slot;
}
