import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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
    ];
    const built = /^dist\/(cjs|esm)\/.+\.(js|js\.map|d\.ts)$/;
    expect(packed.filter((path) => !documents.includes(path) && !built.test(path))).toEqual([]);
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
    expect(files.size).toBeGreaterThan(1);
    expect([...packages].filter((name) => /nestjs|axios|rxjs|reflect-metadata/.test(name))).toEqual([]);
  });

  it.each(['index.js', 'core.js', 'lambda/index.js', 'kms/index.js'])(
    'reaches nothing that is made for tests from %s',
    (entry) => {
      const { files } = reach(built(entry));
      expect([...files].filter((file) => file.startsWith(built('testing')))).toEqual([]);
    },
  );

  it.each([
    ['protocol', /^protocol\//],
    ['explain', /^(protocol|explain)\//],
  ])('reaches only protocol/ and Node from %s', (entry, own) => {
    const { files, packages } = reach(built(`${entry}/index.js`));
    expect([...files].map((file) => relative(built(''), file)).filter((file) => !own.test(file))).toEqual([]);
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

  it('carries sources in its source maps', () => {
    expect(existsSync(built('index.js.map'))).toBe(true);
    const { sources, sourcesContent } = JSON.parse(readFileSync(built('core.js.map'), 'utf8')) as Record<
      string,
      string[]
    >;
    expect(sourcesContent).toHaveLength(sources.length);
  });
});
