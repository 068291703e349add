import { generateKeyPair, randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isAppUuid } from '../../protocol/headers.js';
import { EXIT, wrongUsage } from '../exit-codes.js';
import { type Terminal } from '../terminal.js';

export interface KeygenFlags {
  readonly out: string;
  readonly bits: string;
  readonly appUuid?: string;
}

/** `mauth keygen`: makes a key pair and, unless one is given, an app UUID. */
export async function keygen(flags: KeygenFlags, terminal: Terminal): Promise<number> {
  const { out, bits, appUuid = randomUUID() } = flags;
  if (!isAppUuid(appUuid)) {
    throw wrongUsage('--app-uuid must be a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.');
  }
  const modulusLength = /^\d{1,5}$/.test(bits) ? Number(bits) : 0;
  if (modulusLength < 2048 || modulusLength > 8192) {
    throw wrongUsage('--bits must be from 2048 to 8192: other keys are not accepted.');
  }
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength,
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  });
  const name = appUuid.toLowerCase();
  const privateFile = join(resolve(out), `${name}.key.pem`);
  // The public key first, so that no private key is left behind where one of the two cannot be written.
  write(out, join(resolve(out), `${name}.pub.pem`), publicKey, 0o644);
  write(out, privateFile, privateKey, 0o600);
  terminal.print(`APP_UUID=${name}`);
  terminal.print(`MAUTH_PRIVATE_KEY_FILE=${privateFile}`);
  terminal.note(`Register ${name}.pub.pem with the MAuth service, and keep ${name}.key.pem to yourself.`);
  return EXIT.done;
}

function write(folder: string, path: string, text: string, mode: number): void {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(
      code === 'EEXIST'
        ? `${path} is there already; set --out to another folder, or leave --app-uuid out.`
        : `${path} cannot be written (${code}); set --out to another folder.`,
    );
  }
}
