import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { freePort } from '../support/free-port.js';
import { notPrinted, scriptOf } from '../support/page-script.js';
import { createTestApp } from '../support/test-app.js';
import { Consumer, developedWith, run, runBeside, tarball } from './consumer.js';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [, quickStart = ''] =
  /## Quick start[\s\S]*?src\/app\.module\.ts[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? [];
/** The form for a `.env` file. */
const asyncModule =
  "MAuthModule.forRootAsync({ protect: 'routes', useFactory: () => ({ ...mauthOptionsFromEnv(), http }) });";
/** What README says to install besides the package itself. */
const [, packages = ''] = /With Nest 11:\n\n```sh\nnpm install nestjs-mauth (.*)\n/.exec(readme) ?? [];

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

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null) return;
  child.kill();
  await once(child, 'exit');
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
    await ended(child);
    await service.stop();
    consumer.remove();
  });

  it('has 26 lines', () => {
    expect(quickStart.trim().split('\n').length).toBeLessThanOrEqual(26);
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

  /** What README says that the two `curl` lines print. */
  async function expectWorks(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const started = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
    const url = env.API_URL as string;
    await listening(url, started);
    expect((await fetch(`${url}/studies`)).status).toBe(401);
    const overview = await fetch(`${url}/overview`);
    expect([overview.status, await overview.json()]).toEqual([
      200,
      { studies: ['Mediflex'], caller: application.appUuid },
    ]);
    return started;
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

    const { MAUTH_URL: _, ...withoutService } = await environment();
    child = await expectWorks(app, ['dist/main'], withoutService);
    expect(service.fetches(application)).toBe(0);
    await ended(child);

    const env = await environment();
    const url = env.API_URL;
    child = await expectWorks(app, ['dist/main'], env);
    expect(service.fetches(application)).toBe(1);

    const { appUuid, privateKey } = stranger;
    const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
    const headers = await signer.signRequest({ method: 'GET', url: '/studies' });
    expect((await fetch(`${url}/studies`, { headers })).status).toBe(401);
  });

  it.each([
    ['Express', "import { NestFactory } from '@nestjs/core';", ''],
    [
      'Fastify',
      "import { NestFactory } from '@nestjs/core';\nimport { FastifyAdapter } from '@nestjs/platform-fastify';",
      ', new FastifyAdapter()',
    ],
  ])('works with Nest 12 on %s, options from .env', async (_platform, imports, adapter) => {
    const { MAUTH_URL: _, APP_UUID, MAUTH_PRIVATE_KEY_FILE, ...env } = await environment();
    const names = ['axios', 'common', 'core', 'platform-express', 'platform-fastify'];
    const nest12 = new Consumer({ type: 'module' });
    try {
      nest12.install(
        tarball,
        ...names.map((name) => developedWith(`@nestjs/${name}`)),
        ...['axios', 'reflect-metadata', 'rxjs', '@types/node'].map(developedWith),
        '@nestjs/config@4',
        '--legacy-peer-deps',
      );
      nest12.write('mauth.pem', application.privateKeyPem);
      nest12.write('.env', `APP_UUID=${APP_UUID}\nMAUTH_PRIVATE_KEY_FILE=${MAUTH_PRIVATE_KEY_FILE}\n`);
      const fromEnvFile = quickStart
        .replace('const options = mauthOptionsFromEnv();\n', '')
        .replace(/options\.(appUuid)/, 'process.env.APP_UUID')
        .replace(/const findPublicKey = .*\n/, 'const findPublicKey = ownKey;\n')
        .replace(
          /const mauth = .*\n/,
          `const mauth = ${asyncModule.trim().replace(', http', ', findPublicKey, http')}\n`,
        )
        .replace('imports: [mauth]', 'imports: [ConfigModule.forRoot(), mauth]');
      nest12.write('app.module.ts', `import { ConfigModule } from '@nestjs/config';\n${fromEnvFile}`);
      nest12.write(
        'main.ts',
        `import 'reflect-metadata';\n${imports}\nimport { AppModule } from './app.module.js';\n` +
          `const app = await NestFactory.create(AppModule${adapter});\nawait app.listen(process.env.PORT ?? 3000);\n`,
      );
      const compilerOptions = {
        target: 'es2022',
        module: 'nodenext',
        strict: true,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        skipLibCheck: true,
        types: ['node'],
        outDir: 'dist',
      };
      nest12.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['main.ts'] }));
      nest12.tsc('-p', 'tsconfig.json');
      await ended(await expectWorks(nest12.folder, ['dist/main.js'], env));
    } finally {
      nest12.remove();
    }
  });

  it('leads on to docs/start.md, which does what it says', async () => {
    let text = readFileSync(join(root, 'docs/start.md'), 'utf8');
    const port = String(await freePort());
    text = text.replaceAll('7000', String(await freePort())).replaceAll('3000', port);
    for (const [, path = '', code = ''] of text.matchAll(/^`(src\/[^`]+)`[^\n]*:\n\n```ts\n([^]*?)^```/gm))
      consumer.write(`app/${path}`, code);
    const page = scriptOf(text);
    const printed = await runBeside('bash', ['-c', `exec 2>&1\n${page.script}`], {
      cwd: app,
      env: { PORT: port },
    });
    expect({ printed, missing: notPrinted(page, printed) }).toEqual({ printed, missing: [] });
    expect(printed).toMatch(/Tests: +\d+ passed/);
    consumer.write('app/src/app.module.ts', quickStart);
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
