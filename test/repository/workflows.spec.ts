import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = join(__dirname, '../..');
const text = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');
const workflow = (name: string): any => parse(text('.github/workflows', name));
const manifest = JSON.parse(text('package.json'));

/** The Nodes that the script of the matrix knows. */
const [, versions = ''] = /NODE_VERSIONS = \{(.*)\}/.exec(text('test/matrix/run.mjs')) ?? [];
const nodes = [...versions.matchAll(/(\d+): '/g)].map(([, major]) => Number(major));

describe('the workflows', () => {
  const ci = workflow('ci.yml');
  const release = workflow('release.yml');

  it('test every Nest that is a peer under every Node of the matrix', () => {
    const { nest, node } = ci.jobs.matrix.strategy.matrix;
    expect(node).toEqual([20, 22, 24, 26]);
    expect(node).toEqual(nodes);
    const peers = manifest.peerDependencies['@nestjs/core'].matchAll(/\^(\d+)\./g);
    expect(nest).toEqual([...peers].map(([, major]: string[]) => Number(major)));
  });

  it('run only scripts that there are', () => {
    const named = [
      ...(text('.github/workflows/ci.yml') + text('.github/workflows/release.yml')).matchAll(
        /npm run ([\w:-]+)/g,
      ),
    ].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(['lint', 'test:cov', 'test:matrix', 'check:release']));
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  it('publish after all tests and checks, with provenance', () => {
    const { test, publish } = release.jobs;
    expect(test).toEqual({ uses: './.github/workflows/ci.yml', with: { all: true } });
    expect(publish.needs).toBe('test');
    expect(publish.permissions['id-token']).toBe('write');
    const steps: string[] = publish.steps.flatMap(({ run }: { run?: string }) => run ?? []);
    const check = steps.findIndex((step) => step.startsWith('npm run check:release -- --tag'));
    const published = steps.findIndex((step) => step.startsWith('npm publish --provenance'));
    expect(check).toBeGreaterThan(-1);
    expect(published).toBeGreaterThan(check);
  });

  it('may write nothing unless a job says so', () => {
    expect([ci.permissions, release.permissions]).toEqual([{ contents: 'read' }, { contents: 'read' }]);
  });
});

describe('.ci/run', () => {
  it('tests what depends on Node under each Node that does not run the project', () => {
    const [, others] = /^for node in (.*); do$/m.exec(text('.ci/run')) ?? [];
    const own = Number(text('.nvmrc'));
    expect([own, ...(others?.split(' ').map(Number) ?? [])]).toEqual(nodes);
  });
});

describe('the issue templates', () => {
  const folder = '.github/ISSUE_TEMPLATE';
  const forms = readdirSync(join(root, folder)).filter((name) => name !== 'config.yml');

  it.each(forms)('%s asks for something', (name) => {
    const form = parse(text(folder, name));
    expect(form).toMatchObject({ name: expect.any(String), description: expect.any(String) });
    const ids = form.body.flatMap(({ id }: { id?: string }) => id ?? []);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('sends who found a weakness to SECURITY.md', () => {
    expect(text(folder, 'bug.yml')).toContain('[SECURITY.md](../security/policy)');
  });
});
