import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const json = (...path: string[]): any => JSON.parse(readFileSync(join(root, ...path), 'utf8'));

describe('the leg with Nest 11', () => {
  const committed = json('test/matrix/nest-11/package.json');

  it('is what package.json would give today (else: npm run test:matrix -- --update)', () => {
    const script = `import('${join(root, 'test/matrix/nest-11.mjs')}').then(({ nest11Manifest }) => console.log(JSON.stringify(nest11Manifest())))`;
    const derived = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
    expect(committed).toEqual(derived);
  });

  it('has a lockfile for that package.json', () => {
    const { dependencies, devDependencies } = json('test/matrix/nest-11/package-lock.json').packages[''];
    expect({ dependencies, devDependencies }).toEqual({
      dependencies: committed.dependencies,
      devDependencies: committed.devDependencies,
    });
  });
});

describe.each(['package-lock.json', 'test/matrix/nest-11/package-lock.json'])('%s', (lockfile) => {
  it('names no registry', () => {
    const packages: [string, { resolved?: string }][] = Object.entries(json(lockfile).packages);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});
