import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { MAuthSigner } from 'nestjs-mauth/core';

const pems = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** Who calls, in every section. */
export const caller = {
  appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e',
  publicKey: createPublicKey(pems.publicKey),
  privateKey: createPrivateKey(pems.privateKey),
};

/** Who is called. */
export const serviceUuid = '2a6790ab-f6c6-45be-86fc-9e9be76ec12a';

export const publicPem = () => pems.publicKey;
export const privatePem = () => pems.privateKey;

export const signer = (signVersions) =>
  new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, signVersions });

/** As `node:http` hands them over. */
export const lowerCase = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

export const silent = { log() {}, warn() {}, error() {} };
