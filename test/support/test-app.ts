import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';

/** An app as the MAuth service knows it: a UUID and a real RSA key pair. */
export interface TestApp {
  readonly appUuid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SPKI PEM. */
  readonly publicKeyPem: string;
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string;
}

/** Makes an app with a fresh key pair. */
export function createTestApp(appUuid: string = randomUUID(), modulusLength = 2048): TestApp {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return {
    appUuid,
    privateKey,
    publicKey,
    publicKeyPem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}
