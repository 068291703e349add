import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

const lib = join(__dirname, '../../lib');

/** Packages that a file and all that it imports name, types included. */
function packagesFrom(file: string, seen = new Set<string>(), packages = new Set<string>()): Set<string> {
  if (seen.has(file)) return packages;
  seen.add(file);
  for (const { fileName } of ts.preProcessFile(readFileSync(join(lib, file), 'utf8')).importedFiles) {
    if (!fileName.startsWith('.')) packages.add(fileName);
    else packagesFrom(posix.join(posix.dirname(file), fileName).replace(/\.js$/, '.ts'), seen, packages);
  }
  return packages;
}

it.each(['core.ts', 'kms/index.ts', 'lambda/index.ts'])('%s works where Nest is not installed', (entry) => {
  const packages = [...packagesFrom(entry)];
  const strangers = packages.filter((name) => /^(@nestjs\/|axios$|rxjs|reflect-metadata)/.test(name));
  expect(packages.length).toBeGreaterThan(0);
  expect(strangers).toEqual([]);
});
