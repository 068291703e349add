import { generateKeyPairSync, sign, verify } from 'node:crypto';

/** The operation that no guard with signatures can do without, and nothing else. It answers whether one holds. */
export function bareVerification() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const text = Buffer.alloc(300, 'MAuth');
  const signature = sign('sha512', text, privateKey);
  return () => verify('sha512', text, publicKey, signature);
}
