import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeMAuthService, generateMAuthKeyPair } from 'nestjs-mauth/testing';

/** Starts the application with what its environment would have: a MAuth service, an app UUID, and a key. */
async function tryOut(): Promise<void> {
  const keys = mkdtempSync(join(tmpdir(), 'mauth-sample-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => rmSync(keys, { recursive: true, force: true }));

  const service = await FakeMAuthService.start();
  const newApp = async () => {
    const { privateKey, publicKey } = await generateMAuthKeyPair();
    const APP_UUID = randomUUID();
    const MAUTH_PRIVATE_KEY_FILE = join(keys, `${APP_UUID}.key.pem`);
    writeFileSync(MAUTH_PRIVATE_KEY_FILE, privateKey, { mode: 0o600 });
    service.register(APP_UUID, publicKey);
    return { APP_UUID, MAUTH_PRIVATE_KEY_FILE };
  };
  const shared = { MAUTH_URL: service.url, MAUTH_SIGN_VERSIONS: 'v2' };
  const [own, caller] = [await newApp(), await newApp()];

  const variables = Object.entries({ ...caller, ...shared }).map(([name, value]) => `${name}=${value}`);
  console.log(`To call it as another app, in another terminal:\nexport ${variables.join(' ')}`);
  Object.assign(process.env, own, shared);
  await import('./main.js');
}

void tryOut();
