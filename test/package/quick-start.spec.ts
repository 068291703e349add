import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';
import { Consumer, run, runBeside, tarball } from './consumer.js';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [, quickStart = ''] =
  /## Quick start[\s\S]*?src\/app\.module\.ts[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? [];
/** What README says to install besides the package itself. */
const [, packages = ''] = /^npm install nestjs-mauth (.*?) +# Nest 11$/m.exec(readme) ?? [];

/** A controller of the application's own, as a unit test of it imports it. */
const CONTROLLER = `
import { Controller, Get } from '@nestjs/common';
import { AppUuid, RequiresMAuth } from 'nestjs-mauth';

@RequiresMAuth()
@Controller('sites')
export class SitesController {
  @Get()
  sites(@AppUuid() caller: string) {
    return { sites: ['Praha'], caller };
  }
}
`;

const UNIT_TEST = `
import { Test } from '@nestjs/testing';
import { MAuthModule } from 'nestjs-mauth';
import { SitesController } from './sites.controller';

describe('SitesController', () => {
  it('is a class like any other', () => {
    expect(new SitesController().sites('x')).toEqual({ sites: ['Praha'], caller: 'x' });
  });

  it('runs in an application that sends nothing', async () => {
    const findPublicKey = () => undefined;
    const mauth = MAuthModule.forRoot({ appUuid: process.env.APP_UUID ?? '', findPublicKey });
    const testing = await Test.createTestingModule({ imports: [mauth], controllers: [SitesController] }).compile();
    const app = testing.createNestApplication();
    await app.listen(0, '127.0.0.1');
    expect((await fetch(\`\${await app.getUrl()}/sites\`)).status).toBe(401);
    await app.close();
  });
});
`;

const END_TO_END_TEST = `
import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MAuthHttpService } from 'nestjs-mauth';
import { AppModule } from './../src/app.module';

let app: INestApplication | undefined;
afterAll(() => app?.close());

it('answers what it signs itself', async () => {
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = testing.createNestApplication();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
  expect((await fetch(\`\${process.env.API_URL}/studies\`)).status).toBe(401);
  const { status } = await app.get(MAuthHttpService).axiosRef.get('/studies');
  expect(status).toBe(200);
});
`;

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
  const app = join(consumer.folder, 'app');
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

  const install = (...names: string[]) =>
    run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...names], { cwd: app });

  /** What the quick start says to export, and where the application listens. */
  async function environment() {
    const port = await freePort();
    return {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      API_URL: `http://127.0.0.1:${port}`,
      APP_UUID: application.appUuid,
      MAUTH_PRIVATE_KEY_FILE: 'mauth.pem',
      MAUTH_URL: service.url,
    };
  }

  it('works in a fresh Nest 11 application', async () => {
    const nest = [join(root, 'node_modules/.bin/nest'), 'new', 'app', '--skip-install', '--skip-git'];
    run(process.execPath, [...nest, '--package-manager', 'npm', '--language', 'TS'], {
      cwd: consumer.folder,
    });
    expect(readFileSync(join(app, 'package.json'), 'utf8')).toContain('"@nestjs/core": "^11.');
    install(tarball, ...packages.split(' '));
    consumer.write('app/src/app.module.ts', quickStart);
    consumer.write('app/mauth.pem', application.privateKeyPem);
    run('npm', ['run', 'build'], { cwd: app });

    const env = await environment();
    const url = env.API_URL;
    child = spawn(process.execPath, ['dist/main'], { cwd: app, env, stdio: ['ignore', 'ignore', 'inherit'] });
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

  it('is tested there by Jest as that application has it', async () => {
    consumer.write('app/src/sites.controller.ts', CONTROLLER);
    consumer.write('app/src/sites.controller.spec.ts', UNIT_TEST);
    consumer.write('app/test/app.e2e-spec.ts', END_TO_END_TEST);
    const env = await environment();
    await runBeside('npm', ['test'], { cwd: app, env });
    await runBeside('npm', ['run', 'test:e2e'], { cwd: app, env });
  });

  it.each([
    ['of another major version', () => install('@nestjs/axios@12', 'axios'), /install @nestjs\/axios@4/],
    [
      'not installed',
      () => run('npm', ['uninstall', '@nestjs/axios', 'axios'], { cwd: app }),
      /MAuthHttpService needs the packages @nestjs\/axios and axios: npm install/,
    ],
  ])(
    'needs @nestjs/axios for sending alone: where it is %s, the error says so',
    async (_, change, remedy) => {
      change();
      const env = await environment();
      await runBeside('npm', ['test'], { cwd: app, env });
      await expect(runBeside('npm', ['run', 'test:e2e'], { cwd: app, env })).rejects.toThrow(remedy);
    },
  );
});
