export { kmsDecryptor, type KmsClient, type KmsDecryptorOptions } from './kms-decryptor.js';
