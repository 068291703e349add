import { generateKeyPairSync, randomUUID } from 'node:crypto';

/** An app with a UUID and a key pair of its own, made for this run only. */
export interface RegisteredApp {
  readonly appUuid: string;
  /** PEM. */
  readonly privateKey: string;
  /** PEM. */
  readonly publicKey: string;
}

export function createApp(): RegisteredApp {
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  });
  return { appUuid: randomUUID(), ...keys };
}
