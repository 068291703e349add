import { generateKeyPairSync } from 'node:crypto';
import { MAuthSigner } from 'nestjs-mauth/core';

/** Who calls, in every section. */
export const caller = {
  appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e',
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

/** Who is called. */
export const serviceUuid = '2a6790ab-f6c6-45be-86fc-9e9be76ec12a';

export const publicPem = (key = caller.publicKey) => key.export({ type: 'spki', format: 'pem' });
export const privatePem = (key = caller.privateKey) => key.export({ type: 'pkcs8', format: 'pem' });

export const signer = (signVersions) =>
  new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, signVersions });

/** As `node:http` hands them over. */
export const lowerCase = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

export const silent = { log() {}, warn() {}, error() {} };
