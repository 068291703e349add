import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';

/** An app with a UUID and a key pair of its own, made for this run only. */
export interface RegisteredApp {
  readonly appUuid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function createApp(): RegisteredApp {
  return { appUuid: randomUUID(), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}
