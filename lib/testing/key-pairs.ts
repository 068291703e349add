import { generateKeyPair, generateKeyPairSync } from 'node:crypto';

/** An RSA key pair, both keys as PEM text: PKCS#8 and SPKI. */
export interface MAuthKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

// As PEM: on Node 20 the key objects that `generateKeyPair` returns share a lock with the job that made them.
const RSA_2048 = {
  modulusLength: 2048,
  publicKeyEncoding: { format: 'pem', type: 'spki' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
} as const;

/**
 * Makes an RSA key pair of 2,048 bits. It takes some 100 to 700 ms; callers that do not need a key of their own share
 * one that is made once per process.
 *
 * @example
 * const { privateKey, publicKey } = await generateMAuthKeyPair();
 * const partner = MAuthTestingModule.caller({ keyPair: { privateKey, publicKey } });
 */
export function generateMAuthKeyPair(): Promise<MAuthKeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', RSA_2048, (error, publicKey, privateKey) => {
      if (error) reject(error);
      else resolve({ privateKey, publicKey });
    });
  });
}

let shared: MAuthKeyPair | undefined;

/** The pair of all callers that do not ask for their own. */
export function sharedKeyPair(): MAuthKeyPair {
  return (shared ??= generateKeyPairSync('rsa', RSA_2048));
}
