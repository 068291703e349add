import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeMAuthService, generateMAuthKeyPair } from 'nestjs-mauth/testing';

/** Starts Redis and two instances of the application, with what their environment would have. */
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

  const redisPort = process.env.REDIS_PORT ?? '6379';
  const redis = [
    '--port',
    redisPort,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const env = { ...process.env, ...own, ...shared, REDIS_URL: `redis://127.0.0.1:${redisPort}` };
  const processes: ChildProcess[] = [spawn('redis-server', redis, { stdio: 'ignore' })];
  for (const port of [process.env.PORT ?? '3001', process.env.SECOND_PORT ?? '3002'])
    processes.push(
      spawn(process.execPath, ['dist/main.js'], { env: { ...env, PORT: port }, stdio: 'inherit' }),
    );
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      for (const started of processes) started.kill('SIGTERM');
      process.exit();
    });
}

void tryOut();
