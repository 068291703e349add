import { randomUUID } from 'node:crypto';
import { createKeyPair, type KeyPair } from './key-pair.js';

/** An app as the MAuth service knows it: a UUID and a real RSA key pair. */
export interface TestApp extends KeyPair {
  readonly appUuid: string;
}

/** Makes an app with a fresh key pair. */
export function createTestApp(appUuid: string = randomUUID(), modulusLength = 2048): TestApp {
  return { appUuid, ...createKeyPair('rsa', { modulusLength }) };
}
