import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { run, tarball } from './consumer.js';

const root = join(__dirname, '../..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);

/** What a built file reaches by imports: files of ours, and packages by name. */
function reach(entry: string, seen = new Set<string>(), packages = new Set<string>()) {
  if (seen.has(entry)) return { files: seen, packages };
  seen.add(entry);
  const source = readFileSync(entry, 'utf8');
  for (const { fileName } of ts.preProcessFile(source, true, true).importedFiles) {
    if (!fileName.startsWith('.')) packages.add(fileName);
    else reach(join(dirname(entry), asSibling(fileName, entry)), seen, packages);
  }
  return { files: seen, packages };
}

/** The texts of the files that it reaches. */
function textsOf(entry: string): string[] {
  return [...reach(entry).files].map((file) => readFileSync(file, 'utf8'));
}

/** A declaration imports `./x.js` and means the declaration beside it. */
function asSibling(path: string, importer: string): string {
  return importer.endsWith('.d.ts') ? path.replace(/\.js$/, '.d.ts') : path;
}

describe('the packed tarball', () => {
  const packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''));

  it('holds both builds and the documents', () => {
    expect(packed).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
        'SECURITY.md',
        'dist/cjs/index.js',
        'dist/cjs/index.d.ts',
        'dist/esm/index.js',
        'dist/esm/index.d.ts',
        'dist/esm/package.json',
        'dist/LICENSES.txt',
      ]),
    );
  });

  it('holds nothing else', () => {
    const documents = [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'SECURITY.md',
      'dist/esm/package.json',
      'dist/LICENSES.txt',
    ];
    const built = /^dist\/(cjs|esm)\/.+\.(js|d\.ts)$/;
    expect(packed.filter((path) => !documents.includes(path) && !built.test(path))).toEqual([]);
  });

  it('is small: at most 80 files and 1.2 MB', () => {
    const sizes = execFileSync('tar', ['-tvzf', tarball], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => Number(line.split(/\s+/)[2]));
    expect(sizes.length).toBeLessThanOrEqual(80);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1_200_000);
  });

  it('passes publint', () => {
    expect(run(bin('publint'), ['run', tarball, '--strict'], { cwd: root })).toContain('All good!');
  });

  it('has types that resolve as CommonJS, as ES modules and for bundlers', () => {
    const report = run(bin('attw'), [tarball, '--format', 'ascii', '--no-color', '--no-emoji'], {
      cwd: root,
    });
    expect(report).toContain('No problems found');
  });
});

describe.each(['cjs', 'esm'])('the %s build', (format) => {
  const built = (file: string): string => join(root, 'dist', format, file);

  it.each([
    'core.js',
    'core.d.ts',
    'protocol/index.js',
    'protocol/index.d.ts',
    'kms/index.js',
    'kms/index.d.ts',
    'lambda/index.js',
    'lambda/index.d.ts',
    'explain/index.js',
    'explain/index.d.ts',
  ])('reaches no Nest from %s', (entry) => {
    const { files, packages } = reach(built(entry));
    // The declarations for KMS name nothing else of ours.
    expect(files.size).toBeGreaterThan(entry === 'kms/index.d.ts' ? 0 : 1);
    expect([...packages].filter((name) => /nestjs|axios|rxjs|reflect-metadata/.test(name))).toEqual([]);
  });

  it.each(['index.js', 'core.js', 'lambda/index.js', 'kms/index.js'])(
    'reaches nothing that is made for tests or for the command line from %s',
    (entry) => {
      const others = /class (FakeMAuthService|TestCaller|Terminal|CommandFailure)\b/;
      expect(textsOf(built(entry)).filter((text) => others.test(text))).toEqual([]);
    },
  );

  it.each([
    [
      'protocol',
      /class (MAuthSigner|MAuthAuthenticator|IncomingRequest|Explanation)\b|function explainRequest/,
    ],
    ['explain', /class (MAuthSigner|MAuthAuthenticator|IncomingRequest)\b/],
  ])('reaches only the protocol and Node from %s', (entry, others) => {
    const { packages } = reach(built(`${entry}/index.js`));
    expect(textsOf(built(`${entry}/index.js`)).filter((text) => others.test(text))).toEqual([]);
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual([]);
  });

  // What there is without `@nestjs/axios` is shown by a real application (without-axios.spec.ts).
  it.each(['index.js', 'index.d.ts'])('reaches from %s only what users of Nest have installed', (entry) => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: object;
    };
    const nest = ['@nestjs/common', '@nestjs/core', '@nestjs/axios', 'reflect-metadata', 'rxjs'];
    const installed = [...Object.keys(dependencies), ...nest];
    const { packages } = reach(built(entry));
    expect([...packages].filter((name) => !name.startsWith('node:') && !installed.includes(name))).toEqual(
      [],
    );
  });

  it('never loads axios itself', () => {
    expect(reach(built('index.js')).packages).not.toContain('axios');
  });

  it('keeps the names of classes, which are read in errors and logs', () => {
    const renamed = /\bclass \w*\$\w*|\b(?:const|let|var) \w+\$\d+ = class\b/;
    expect(textsOf(built('index.js')).filter((text) => renamed.test(text))).toEqual([]);
  });
});
