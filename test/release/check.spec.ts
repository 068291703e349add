import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const PARTS = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
  'LICENSE',
  'SECURITY.md',
  'CHANGELOG.md',
  'lib/config',
  'dist',
  'test/api',
  'test/release',
];
const today = new Date().toISOString().slice(0, 10);

/** A copy of what the checks look at. */
class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'nestjs-mauth-release-spec-'));

  constructor(source: string) {
    for (const part of PARTS) cpSync(join(source, part), join(this.folder, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'));
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.folder, path), text);
  }

  edit(path: string, change: (text: string) => string): void {
    const text = readFileSync(join(this.folder, path), 'utf8');
    const changed = change(text);
    if (changed === text) throw new Error(`${path} was to be changed`);
    this.write(path, changed);
  }

  editJson(path: string, change: (content: any) => void): void {
    this.edit(path, (text) => {
      const content = JSON.parse(text);
      change(content);
      return JSON.stringify(content, null, 2);
    });
  }

  remove(path = ''): void {
    rmSync(join(this.folder, path), { recursive: true });
  }

  check(...args: string[]): { status: number | null; printed: string } {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(this.folder, 'test/release/run.mjs'), ...args],
      { cwd: this.folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
    );
    return { status, printed: stdout + stderr };
  }
}

describe('the checks before a release', () => {
  const ready = new Copy(root);
  const copies: Copy[] = [ready];
  afterAll(() => copies.forEach((copy) => copy.remove()));

  beforeAll(() => {
    ready.editJson('package.json', (manifest) => {
      manifest.version = '7.0.0';
      manifest.repository = { type: 'git', url: 'git+https://git.example.com/nestjs-mauth.git' };
      // `dist` is copied, as it was built for the tests of the package.
      manifest.scripts.build = 'node -e ""';
      delete manifest.scripts.prebuild;
    });
    ready.editJson('package-lock.json', (lock) => {
      lock.version = lock.packages[''].version = '7.0.0';
    });
    ready.edit('lib/config/version.ts', (text) => text.replace(/'.*'/, "'7.0.0'"));
    ready.write(
      'CHANGELOG.md',
      `# Changelog\n\n## Unreleased\n\n## 7.0.0 - ${today}\n\n### Added\n\n- Much.\n\n## 0.1.0\n\nThe first.\n`,
    );
  });

  it('pass where everything is right, and leave an SBOM', () => {
    const { status, printed } = ready.check('--tag', 'v7.0.0');
    expect(printed.match(/^(ok|FAILED) +\w+/gm)).toEqual(
      ['version', 'changelog', 'repository', 'api', 'tarball', 'sbom'].map((name) => `ok      ${name}`),
    );
    expect(printed).toContain('Ready to tag v7.0.0.');
    expect(status).toBe(0);
    const sbom = JSON.parse(readFileSync(join(ready.folder, 'reports/sbom.cdx.json'), 'utf8'));
    expect(sbom).toMatchObject({
      bomFormat: 'CycloneDX',
      metadata: { component: { name: 'nestjs-mauth', version: '7.0.0', purl: 'pkg:npm/nestjs-mauth@7.0.0' } },
    });
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const components = sbom.components.map(({ name }: { name: string }) => name);
    expect(components).toEqual(expect.arrayContaining(Object.keys(dependencies)));
  });

  const changelog = (text: string) => (copy: Copy) => copy.write('CHANGELOG.md', `# Changelog\n\n${text}\n`);
  it.each<[wrong: string, check: string, change: (copy: Copy) => void, says: RegExp]>([
    [
      'another version in lib/config/version.ts',
      'version',
      (copy) => copy.edit('lib/config/version.ts', (text) => text.replace('7.0.0', '7.0.1')),
      /package\.json says 7\.0\.0, lib\/config\/version\.ts says 7\.0\.1/,
    ],
    [
      'another version in package-lock.json',
      'version',
      (copy) => copy.editJson('package-lock.json', (lock) => (lock.packages[''].version = '6.0.0')),
      /package-lock\.json \(packages\) says 6\.0\.0/,
    ],
    [
      'no section for the version',
      'changelog',
      changelog('## Unreleased\n\n## 6.0.0 - 2026-01-01\n\n- Much.'),
      /the newest section of CHANGELOG\.md is "6\.0\.0 - 2026-01-01", not 7\.0\.0/,
    ],
    [
      'a section without a date',
      'changelog',
      changelog('## Unreleased\n\n## 7.0.0\n\n- Much.'),
      /the section of 7\.0\.0 has no date/,
    ],
    [
      'a date that there is not',
      'changelog',
      changelog('## 7.0.0 - 2026-02-30\n\n- Much.'),
      /the section of 7\.0\.0 has no date/,
    ],
    [
      'a date to come',
      'changelog',
      changelog('## 7.0.0 - 9999-01-01\n\n- Much.'),
      /the section of 7\.0\.0 has no date, or one to come/,
    ],
    [
      'an empty section',
      'changelog',
      changelog(`## 7.0.0 - ${today}\n\n### Added\n\n## 6.0.0 - 2026-01-01\n\n- Much.`),
      /the section of 7\.0\.0 is empty/,
    ],
    [
      'something unreleased',
      'changelog',
      changelog(`## Unreleased\n\n### Fixed\n\n- More.\n\n## 7.0.0 - ${today}\n\n- Much.`),
      /"Unreleased" is not empty/,
    ],
    [
      'no repository',
      'repository',
      (copy) => copy.editJson('package.json', (manifest) => delete manifest.repository),
      /package\.json names no repository/,
    ],
    [
      'a stale API report',
      'api',
      (copy) => copy.edit('test/api/protocol.api.md', (text) => text.replace('stringToSign', 'textToSign')),
      /protocol: the public surface differs from its report/,
    ],
    [
      'a tarball without a document',
      'tarball',
      (copy) => copy.editJson('package.json', (manifest) => (manifest.files = ['dist', 'CHANGELOG.md'])),
      /the tarball lacks SECURITY\.md/,
    ],
    [
      'a tarball without an entry point',
      'tarball',
      (copy) =>
        copy.editJson('package.json', (manifest) => (manifest.exports['./more'] = './dist/cjs/more.js')),
      /the tarball lacks dist\/cjs\/more\.js/,
    ],
    [
      'a key in the tarball',
      'tarball',
      (copy) => copy.write('dist/private.pem', 'PEM'),
      /the tarball also holds dist\/private\.pem/,
    ],
    [
      'a test in the tarball',
      'tarball',
      (copy) => copy.write('dist/core.spec.js', ''),
      /the tarball also holds dist\/core\.spec\.js/,
    ],
    [
      'a dependency that cannot be installed',
      'sbom',
      (copy) => copy.editJson('package.json', (manifest) => (manifest.dependencies.yaml = '^999.0.0')),
      /yaml@\^999\.0\.0/,
    ],
  ])('say what to do about %s', (_wrong, check, change, says) => {
    const copy = new Copy(ready.folder);
    copies.push(copy);
    change(copy);
    const { status, printed } = copy.check(check);
    expect(printed).toMatch(new RegExp(`^FAILED  ${check}: `, 'm'));
    expect(printed).toMatch(says);
    expect(printed).toMatch(/^ +to do: \S/m);
    expect(printed).toContain('1 to put right.');
    expect(status).toBe(1);
  });

  it('refuse the tag of another version', () => {
    const { status, printed } = ready.check('version', '--tag', 'v7.0.1');
    expect(printed).toContain('FAILED  version: the tag is v7.0.1');
    expect(status).toBe(1);
  });

  it('know their names', () => {
    expect(ready.check('verson')).toEqual({
      status: 2,
      printed: 'verson: expected version, changelog, repository, api, tarball, sbom\n',
    });
  });
});

describe('an SBOM', () => {
  const component = (name: string) => ({ name, version: '1.0.0' });
  const tree = {
    dependencies: { a: { version: '1.0.0', dependencies: { b: { version: '1.0.0' } } }, peer: {} },
  };
  const differences = (names: string[], dependencies: Record<string, string> = { a: '*' }): string[] => {
    const made = { manifest: { dependencies }, tree, sbom: { components: names.map(component) } };
    const script = `import(${JSON.stringify(join(__dirname, 'sbom.mjs'))}).then(({ sbomDifferences }) => console.log(JSON.stringify(sbomDifferences(${JSON.stringify(made)}))))`;
    return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
  };

  it.each([
    ['names what is installed, missing optional peers aside', ['a', 'b'], undefined, []],
    ['lacks a dependency of a dependency', ['a'], undefined, ['lacks b@1.0.0']],
    ['has what is not installed', ['a', 'b', 'c'], undefined, ['has c@1.0.0, not installed']],
    ['lacks what neither list has', ['a', 'b'], { a: '*', d: '*' }, ['lacks the dependency d']],
  ])('%s', (_what, names, dependencies, expected) => {
    expect(differences(names, dependencies)).toEqual(expected);
  });
});
