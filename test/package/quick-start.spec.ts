import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';
import { Consumer, run, tarball } from './consumer.js';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [, quickStart = ''] =
  /## Quick start[\s\S]*?src\/app\.module\.ts[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the application ended with ${child.exitCode}`);
}

describe("README's quick start", () => {
  const consumer = new Consumer();
  const [application, stranger] = [createTestApp(), createTestApp()];
  let service: MAuthServiceStandIn;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    service = await MAuthServiceStandIn.start({ apps: [application] });
  });
  afterAll(async () => {
    if (child && child.exitCode === null) {
      child.kill();
      await once(child, 'exit');
    }
    await service.close();
    consumer.remove();
  });

  it('has 20 lines', () => {
    expect(quickStart.trim().split('\n').length).toBeLessThanOrEqual(20);
  });

  it('works in a fresh Nest application', async () => {
    const nest = [join(root, 'node_modules/.bin/nest'), 'new', 'app', '--skip-install', '--skip-git'];
    run(process.execPath, [...nest, '--package-manager', 'npm', '--language', 'TS'], {
      cwd: consumer.folder,
    });
    const app = join(consumer.folder, 'app');
    run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--ignore-scripts', tarball, '@nestjs/axios', 'axios'],
      { cwd: app },
    );
    consumer.write('app/src/app.module.ts', quickStart);
    run('npm', ['run', 'build'], { cwd: app });

    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    consumer.write('app/mauth.pem', application.privateKeyPem);
    child = spawn(process.execPath, ['dist/main'], {
      cwd: app,
      env: {
        PATH: process.env.PATH,
        PORT: String(port),
        API_URL: url,
        APP_UUID: application.appUuid,
        MAUTH_PRIVATE_KEY_FILE: 'mauth.pem',
        MAUTH_URL: service.url,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await listening(url, child);

    expect((await fetch(`${url}/studies`)).status).toBe(401);
    const overview = await fetch(`${url}/overview`);
    expect([overview.status, await overview.json()]).toEqual([
      200,
      { studies: ['Mediflex'], caller: application.appUuid },
    ]);
    expect(service.fetches(application)).toBe(1);

    const { appUuid, privateKey } = stranger;
    const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
    const headers = await signer.signRequest({ method: 'GET', url: '/studies' });
    expect((await fetch(`${url}/studies`, { headers })).status).toBe(401);
  });
});
