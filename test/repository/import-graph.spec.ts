import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

const lib = join(__dirname, '../../lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** What a file imports and re-exports, types included. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(lib, file), 'utf8');
  return ts.preProcessFile(source).importedFiles.map(({ fileName }) => fileName);
}

/** The files of lib/ that a file imports. */
function neighbours(file: string): string[] {
  return importsOf(file)
    .filter((path) => path.startsWith('.'))
    .map((path) => posix.join(posix.dirname(file), path).replace(/\.js$/, '.ts'));
}

/** The first circle on a way down from a file; undefined when there is none. */
function circleFrom(file: string, way: readonly string[], done: Set<string>): string[] | undefined {
  if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const neighbour of neighbours(file)) {
    const circle = circleFrom(neighbour, [...way, file], done);
    if (circle) return circle;
  }
  done.add(file);
  return undefined;
}

/** The file, and all files that it leads to. */
function reachableFrom(file: string, reached = new Set<string>()): string[] {
  if (reached.has(file)) return [];
  reached.add(file);
  for (const neighbour of neighbours(file)) reachableFrom(neighbour, reached);
  return [...reached];
}

describe('the imports in lib/', () => {
  it('have no circle', () => {
    const done = new Set<string>();
    expect(files.map((file) => circleFrom(file, [], done)).filter(Boolean)).toEqual([]);
    expect(done.size).toBe(files.length);
  });

  it('carry the suffix .js, which ES modules need', () => {
    const bare = files.flatMap((file) =>
      importsOf(file)
        .filter((path) => path.startsWith('.') && !path.endsWith('.js'))
        .map((path) => `${file}: ${path}`),
    );
    expect(bare).toEqual([]);
  });

  /** Of these the build takes in what is used; see rollup.config.mjs. */
  const takenIn = ['cockatiel', 'valibot'];

  it('name only what users have: what package.json declares, or what the build takes in', () => {
    const { dependencies, peerDependencies } = JSON.parse(
      readFileSync(join(lib, '../package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const declared = new Set([...Object.keys({ ...dependencies, ...peerDependencies }), ...takenIn]);
    const undeclared = files.flatMap((file) =>
      importsOf(file)
        .filter((path) => !path.startsWith('.') && !path.startsWith('node:') && !declared.has(path))
        .map((path) => `${file}: ${path}`),
    );
    expect(undeclared).toEqual([]);
  });

  it.each(['core.ts', 'protocol/index.ts', 'kms/index.ts', 'lambda/index.ts'])(
    'lead from %s to no package that only Nest applications have, types included',
    (entry) => {
      const peers = /^(@nestjs\/|axios$|rxjs$|reflect-metadata$)/;
      const found = reachableFrom(entry).flatMap((file) =>
        importsOf(file)
          .filter((path) => peers.test(path))
          .map((path) => `${file}: ${path}`),
      );
      expect(found).toEqual([]);
    },
  );
});
