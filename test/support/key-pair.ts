import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SPKI PEM. */
  readonly publicKeyPem: string;
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string;
}

/**
 * Makes keys, unless told otherwise RSA of 2,048 bits, and reads them from PEM. What `generateKeyPairSync` returns
 * itself shares a lock with the job that made it, and on Node 20 the process hangs when the garbage collector takes
 * that job away while somebody asks for details of the key or exports it.
 */
export function createKeyPair(type = 'rsa', options: object = { modulusLength: 2048 }): KeyPair {
  const pair = generateKeyPairSync(type as 'rsa', {
    ...(options as { modulusLength: number }),
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  });
  return {
    privateKey: createPrivateKey(pair.privateKey),
    publicKey: createPublicKey(pair.publicKey),
    publicKeyPem: pair.publicKey,
    privateKeyPem: pair.privateKey,
  };
}
