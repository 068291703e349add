import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { freePort } from '../support/free-port.js';
import { Consumer, run, tarball } from './consumer.js';

const root = join(__dirname, '../..');
const SAMPLES = readdirSync(join(root, 'sample')).filter(
  (name) => /^\d\d-/.test(name) && !name.startsWith('01-'),
);

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly scripts: Record<string, string>;
}

const manifestOf = (sample: string) =>
  JSON.parse(readFileSync(join(root, 'sample', sample, 'package.json'), 'utf8')) as Manifest;

/** A sample that was started as `npm start` does, and what it has printed. */
class RunningSample {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #listening: Promise<readonly string[]>;

  /** @param instances how many of its lines say where it listens */
  constructor(cwd: string, env: Record<string, string> = {}, instances = 1) {
    this.#child = spawn(process.execPath, ['dist/try.js'], {
      cwd,
      env: { PATH: process.env.PATH, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#listening = new Promise((resolve, reject) => {
      const urls: string[] = [];
      for (const stream of [this.#child.stdout, this.#child.stderr])
        createInterface(stream as NodeJS.ReadableStream).on('line', (line) => {
          this.lines.push(line);
          const [, url] = /^listening on (http:.*)$/.exec(line) ?? [];
          if (url !== undefined && urls.push(url) === instances) resolve(urls);
        });
      this.#child.once('exit', (code) => {
        reject(new Error(`The sample ended with ${code}:\n${this.lines.join('\n')}`));
      });
    });
  }

  async urls(): Promise<readonly string[]> {
    return this.#listening;
  }

  async url(): Promise<string> {
    return (await this.urls())[0];
  }

  /** Signs as the other app, with the variables that the sample prints for that. */
  async sign(method: string, url: string, body?: string | Buffer, signVersions = 'v2') {
    await this.urls();
    const line = this.lines.find((one) => one.startsWith('export ')) ?? '';
    const variables = Object.fromEntries(
      line
        .slice(7)
        .split(' ')
        .map((pair) => pair.split('=', 2)),
    );
    const privateKey = readFileSync(String(variables.MAUTH_PRIVATE_KEY_FILE), 'utf8');
    const signer = new MAuthSigner({ appUuid: String(variables.APP_UUID), privateKey, signVersions });
    return signer.signRequest({ method, url, ...(body !== undefined && { body }) });
  }

  async send(
    method: string,
    path: string,
    init: { body?: string; type?: string; signVersions?: string } = {},
  ) {
    const { body, type = 'application/json', signVersions } = init;
    const signature = await this.sign(method, path, body, signVersions);
    const headers = { ...(body !== undefined && { 'content-type': type }), ...signature };
    return fetch(`${await this.url()}${path}`, { method, headers, ...(body !== undefined && { body }) });
  }

  /** Ends it as Ctrl+C or a platform does. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  /** The first line that matches, once it is there. */
  async line(wanted: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => wanted.test(line));
      if (found !== undefined) return found;
      await once(this.#child.stdout as NodeJS.ReadableStream, 'data');
    }
  }
}

describe('The samples, from the tarball', () => {
  const consumer = new Consumer();
  const started: RunningSample[] = [];

  function start(sample: string, env?: Record<string, string>, instances?: number): RunningSample {
    const running = new RunningSample(join(consumer.folder, sample), env, instances);
    started.push(running);
    return running;
  }

  beforeAll(() => {
    const wanted = new Map<string, string>();
    for (const sample of SAMPLES) {
      const { dependencies, devDependencies } = manifestOf(sample);
      for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies }))
        wanted.set(name, range);
    }
    wanted.delete('nestjs-mauth');
    consumer.install(
      tarball,
      ...[...wanted].map(([name, range]) => `${name}@${range}`),
      '--legacy-peer-deps',
    );
    // Beside one installation of what all of them need, each as it would be in a folder of its own.
    for (const sample of SAMPLES) consumer.copy(`sample/${sample}`, sample);
  }, 300_000);
  afterEach(() => Promise.all(started.splice(0).map((sample) => sample.stop())));
  afterAll(() => consumer.remove());

  it.each(SAMPLES)('%s builds', (sample) => {
    run('npm', ['run', 'build'], {
      cwd: join(consumer.folder, sample),
      env: { PATH: `${consumer.folder}/node_modules/.bin:${process.env.PATH}` },
    });
    expect(existsSync(join(consumer.folder, sample, 'dist/main.js'))).toBe(true);
  });

  it.each(SAMPLES.filter((sample) => !/graphql|uploads/.test(sample)))(
    '%s is closed to all but signed requests',
    async (sample) => {
      const isPair = sample.includes('two-instances');
      const ports = isPair && {
        PORT: String(await freePort()),
        SECOND_PORT: String(await freePort()),
        REDIS_PORT: String(await freePort()),
      };
      const running = start(sample, ports || {}, isPair ? 2 : 1);
      const url = await running.url();
      expect((await fetch(`${url}/studies`)).status).toBe(401);
      const signature = await running.sign('GET', '/studies?page=1');
      expect((await fetch(`${url}/studies?page=2`, { headers: signature })).status).toBe(401);
      const answer = await running.send('GET', '/studies');
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('Mediflex')]);
    },
  );

  it('02-fastify: exempt, unknown and XML', async () => {
    const running = start('02-fastify');
    const url = await running.url();
    expect(await (await fetch(`${url}/app_status`)).json()).toEqual({ status: 'up' });
    const unknown = await fetch(`${url}/no/such/path`);
    expect([unknown.status, unknown.headers.get('x-content-type-options')]).toEqual([401, 'nosniff']);
    const odm = await running.send('POST', '/studies/odm', { body: '<ODM/>', type: 'application/xml' });
    expect(await odm.text()).toBe('6 characters of XML');
  });

  it('03-config-async: two environments, and what is missing', async () => {
    const development = start('03-config-async', { NODE_ENV: 'development' });
    expect((await development.send('GET', '/studies', { signVersions: 'v1' })).status).toBe(200);
    const production = start('03-config-async', { NODE_ENV: 'production' });
    expect((await production.send('GET', '/studies', { signVersions: 'v1' })).status).toBe(401);
    expect((await production.send('GET', '/studies')).status).toBe(200);
    expect(() =>
      run(process.execPath, ['dist/main.js'], {
        cwd: join(consumer.folder, '03-config-async'),
        env: { APP_UUID: '' },
      }),
    ).toThrow(/Set APP_UUID, MAUTH_PRIVATE_KEY_FILE, MAUTH_URL in the environment/);
  });

  it('04-uploads: a form, a stream, and a body above the limit', async () => {
    const running = start('04-uploads');
    const url = await running.url();
    await running.sign('GET', '/');
    const variables = running.lines.find((line) => line.startsWith('export ')) as string;
    const uploaded = consumer.shell(`cd 04-uploads && ${variables} && node dist/upload.js README.md ${url}`);
    expect(uploaded).toMatch(/^201 .*"name":"README.md"/);
    const raw = await running.send('PUT', '/documents/raw', {
      body: 'abc',
      type: 'application/octet-stream',
    });
    expect(await raw.json()).toEqual({
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
    const tampered = await running.sign('PUT', '/documents/raw', 'abd');
    const type = { 'content-type': 'application/octet-stream' };
    const put = { method: 'PUT', headers: { ...type, ...tampered }, body: 'abc' };
    expect((await fetch(`${url}/documents/raw`, put)).status).toBe(401);
    const large = 'x'.repeat(1024 * 1024 + 1);
    expect(
      (await running.send('PUT', '/documents/raw', { body: large, type: type['content-type'] })).status,
    ).toBe(413);
  });

  it('06-graphql: resolvers decide', async () => {
    const running = start('06-graphql');
    const url = `${await running.url()}/graphql`;
    const body = (query: string) => JSON.stringify({ query });
    const plain = async (query: string) =>
      (
        await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: body(query),
        })
      ).json();
    expect(await plain('{ studyCount }')).toEqual({ data: { studyCount: 1 } });
    expect(await plain('{ study(id: 0) { name } }')).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    const signed = await running.send('POST', '/graphql', {
      body: body('mutation { addStudy(name: "ACME-1") { name } }'),
    });
    expect(await signed.json()).toEqual({ data: { addStudy: { name: 'ACME-1' } } });
  });

  it('07-two-instances-redis: a copy is refused by either instance', async () => {
    const [PORT, SECOND_PORT, REDIS_PORT] = [
      String(await freePort()),
      String(await freePort()),
      String(await freePort()),
    ];
    const running = start('07-two-instances-redis', { PORT, SECOND_PORT, REDIS_PORT }, 2);
    const urls = await running.urls();
    const body = '{"name":"ACME-1"}';
    const headers = { 'content-type': 'application/json', ...(await running.sign('POST', '/studies', body)) };
    const statuses: number[] = [];
    for (const url of [...urls, ...urls])
      statuses.push((await fetch(`${url}/studies`, { method: 'POST', headers, body })).status);
    expect(statuses).toEqual([201, 401, 401, 401]);
    await running.line(/is inauthentic \(replayed\)/);
  });

  it('08-health-openapi-telemetry: all three', async () => {
    const running = start('08-health-openapi-telemetry');
    const url = await running.url();
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({
      status: 'ok',
      info: { mauth: { ownKey: 'usable' } },
    });
    const { paths } = (await (await fetch(`${url}/docs-json`)).json()) as { paths: Record<string, any> };
    expect(paths['/studies'].get.security).toHaveLength(1);
    expect(paths['/health'].get.security).toBeUndefined();
    await fetch(`${url}/studies`);
    expect((await running.send('GET', '/studies')).status).toBe(200);
    expect(await (await fetch(`${url}/studies/refusals`)).json()).toEqual({ missing_headers: 1 });
    await running.line(/name: 'mauth\.key_fetch'/);
  });

  it.each(SAMPLES.filter((sample) => !sample.includes('testing')))(
    '%s: what its README says to type gives what it says',
    async (sample) => {
      const ports = [String(await freePort()), String(await freePort())] as const;
      const isPair = sample.includes('two-instances');
      const pair = { PORT: ports[0], SECOND_PORT: ports[1], REDIS_PORT: String(await freePort()) };
      const running = start(
        sample,
        isPair ? pair : { PORT: ports[0], NODE_ENV: 'production' },
        isPair ? 2 : 1,
      );
      await running.urls();
      const variables = running.lines.find((line) => line.startsWith('export ')) as string;
      const text = readFileSync(join(root, 'sample', sample, 'README.md'), 'utf8');
      const [, commands = ''] = /another terminal, then[^]*?```sh\n([^]*?)```/.exec(text) ?? [];
      const lines = commands
        .replace(/3000|3001/g, ports[0])
        .replaceAll('3002', ports[1])
        .trim()
        .split('\n');
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) {
        const [command = '', note = ''] = line.split(/ +# /);
        const inFolder = `cd ${sample} && ${variables} && export PATH=${consumer.folder}/node_modules/.bin:$PATH`;
        const printed = consumer.shell(`exec 2>&1; ${inFolder} && ${command}`);
        const [status] = /^\d{3}/.exec(note) ?? [];
        if (status) expect([line, printed]).toEqual([line, expect.stringMatching(`HTTP/1.1 ${status}`)]);
        else if (command.startsWith('npx mauth --')) expect(printed).toMatch(/HTTP\/1.1 20[01]/);
      }
    },
  );

  it('09-testing: its own tests pass', () => {
    run('node', [join(consumer.folder, 'node_modules/jest/bin/jest.js')], {
      cwd: join(consumer.folder, '09-testing'),
    });
  });
});
