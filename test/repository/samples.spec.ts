import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = join(__dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const SAMPLES = readdirSync(join(root, 'sample')).filter((name) => /^\d\d-/.test(name));
/** Those that are applications of their own; the first runs in this repository. */
const APART = SAMPLES.slice(1);

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

const { version, devDependencies } = JSON.parse(read('package.json')) as Manifest;

describe('The samples', () => {
  it('are all listed', () => {
    const listed = [...read('sample/README.md').matchAll(/\]\((\d\d-[a-z0-9-]+)\)/g)].map(([, name]) => name);
    expect(listed).toEqual(SAMPLES);
    expect(SAMPLES.length).toBeGreaterThanOrEqual(9);
  });

  it.each(APART)('%s has a page and what it installs is what the project is tested with', (sample) => {
    expect(existsSync(join(root, 'sample', sample, 'README.md'))).toBe(true);
    const manifest = JSON.parse(read(`sample/${sample}/package.json`)) as Manifest;
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    const tested = wanted.map(([name]): [string, string] => {
      const [, exact = ''] =
        /^[~^]?(.*)$/.exec(name === 'nestjs-mauth' ? version : (devDependencies[name] ?? '')) ?? [];
      return [name, `^${exact}${exact.split('.').length < 3 ? '.0' : ''}`];
    });
    expect(wanted).toEqual(tested);
  });

  it('start their trials alike', () => {
    const trials = APART.filter((sample) => !sample.includes('two-instances')).map((sample) =>
      read(`sample/${sample}/src/try.ts`),
    );
    expect(new Set(trials).size).toBe(1);
  });

  it('07 runs in Docker as it does without', () => {
    const folder = 'sample/07-two-instances-redis';
    const { services } = parse(read(`${folder}/compose.yaml`), { merge: true }) as {
      services: Record<string, { command: string; ports?: string[]; environment?: Record<string, string> }>;
    };
    const { mauth, redis, first, second } = services;
    const source = ['src/main.ts', 'src/redis.module.ts', 'src/try.ts']
      .map((path) => read(`${folder}/${path}`))
      .join('\n');
    for (const name of Object.keys({ ...first?.environment }).filter((one) => !one.startsWith('MAUTH_')))
      expect(source).toContain(`process.env.${name}`);
    expect([first?.command, second?.command]).toEqual(['node dist/main.js', 'node dist/main.js']);
    const ports = [first, second].map((instance) => instance?.environment?.PORT);
    expect(mauth?.ports).toEqual(ports.map((port) => `${port}:${port}`));
    expect(second?.environment).toEqual({ ...first?.environment, PORT: ports[1] });
    expect(mauth?.command).toContain(new URL(first?.environment?.MAUTH_URL ?? '').port);
    expect(redis?.command).toContain(new URL(first?.environment?.REDIS_URL ?? '').port);
    expect(redis?.command).toContain('noeviction');
  });
});
