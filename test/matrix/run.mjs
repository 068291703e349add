/**
 * Runs the tests under other versions of Nest and of Node. Everything is installed in .matrix/, nothing globally.
 *
 *   npm run test:matrix                                        Nest 11 and 12 under Node 20, 22, 24 and 26
 *   npm run test:matrix -- --nest 11 --node 20                 one leg
 *   npm run test:matrix -- --nest 12 --node 22 --node 24 wire-body   only the specs whose path matches
 *   npm run test:matrix -- --update                            write package.json and lockfile of the leg with Nest 11
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nest11Manifest } from './nest-11.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WORK = join(ROOT, '.matrix');
const COMMITTED_11 = join(ROOT, 'test/matrix/nest-11');
/** Exact, so that a failure is ours and not a new Node's; 20 is the one that runs the project. */
const NODE_VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.12.1' };
/** They look at the repository and the package, which are the same under every Nest and Node. */
const ONCE = ['/test/repository/', '/test/package/', '/test/release/', '/test/memory/'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nest: { type: 'string', multiple: true, default: ['11', '12'] },
    node: { type: 'string', multiple: true, default: Object.keys(NODE_VERSIONS) },
    update: { type: 'boolean', default: false },
  },
});

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

function mustRun(command, args, cwd) {
  const status = run(command, args, cwd);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

const readJson = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));

/** Path of a Node of that major version: our own, or one from the npm package that carries the binary. */
function nodeBinary(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const version = NODE_VERSIONS[major];
  if (!version) throw new Error(`--node ${major}: expected one of ${Object.keys(NODE_VERSIONS).join(', ')}`);
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(WORK, `node-${major}`);
  const binary = join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }));
    mustRun('npm', ['install', '--no-save', '--no-package-lock', '--no-audit', `${name}@${version}`], folder);
  }
  return binary;
}

/** A folder with our code and the wanted Nest installed. */
function workspace(nest) {
  if (nest === '12') return ROOT;
  if (nest !== '11') throw new Error(`--nest ${nest}: expected 11 or 12`);
  const folder = join(WORK, 'nest-11');
  mkdirSync(folder, { recursive: true });
  for (const name of ['lib', 'test', 'sample', 'docs']) {
    rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  for (const name of ['jest.config.js', 'tsconfig.json', 'tsconfig.build.json', 'README.md'])
    cpSync(join(ROOT, name), join(folder, name));
  install11(folder);
  return folder;
}

/** Installs from the committed lockfile, unless that very lockfile is installed already. */
function install11(folder) {
  const lock = readFileSync(join(COMMITTED_11, 'package-lock.json'), 'utf8');
  const mark = join(folder, 'node_modules/.installed');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return;
  for (const name of ['package.json', 'package-lock.json'])
    cpSync(join(COMMITTED_11, name), join(folder, name));
  mustRun('npm', ['ci', '--no-audit', '--no-fund'], folder);
  writeFileSync(mark, lock);
}

/** A leg that tests something else than it says proves nothing. */
function checkNest(folder, nest) {
  for (const name of ['common', 'core', 'platform-express', 'platform-fastify', 'testing']) {
    const { version } = readJson(folder, 'node_modules/@nestjs', name, 'package.json');
    if (!version.startsWith(`${nest}.`))
      throw new Error(`@nestjs/${name} ${version} in the leg of Nest ${nest}`);
  }
}

function runLeg(nest, major) {
  const node = nodeBinary(major);
  const folder = workspace(nest);
  checkNest(folder, nest);
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  console.log(`\n=== Nest ${nest} on Node ${stdout.trim()} ===`);
  mkdirSync(join(ROOT, 'reports'), { recursive: true });
  const report = join(ROOT, 'reports', `nest-${nest}-node-${major}.json`);
  rmSync(report, { force: true });
  const bin = (path) => join(folder, 'node_modules', path);
  if (nest === '11')
    mustRun(node, [bin('typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--noEmit'], folder);
  const status = run(
    node,
    [
      bin('jest/bin/jest.js'),
      '--maxWorkers=100%',
      '--json',
      `--outputFile=${report}`,
      '--testPathIgnorePatterns',
      ...ONCE,
      '--testPathPatterns',
      positionals.join('|') || '.',
    ],
    folder,
  );
  const { numPassedTests: passed, numFailedTests, numRuntimeErrorTestSuites } = readJson(report);
  const failed = numFailedTests + numRuntimeErrorTestSuites;
  return {
    leg: `Nest ${nest}, Node ${stdout.trim()}`,
    passed,
    failed,
    ok: status === 0 && failed === 0 && passed > 0,
  };
}

function update() {
  writeFileSync(join(COMMITTED_11, 'package.json'), `${JSON.stringify(nest11Manifest(), null, 2)}\n`);
  mustRun(
    'npm',
    ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--omit-lockfile-registry-resolved'],
    COMMITTED_11,
  );
}

if (values.update) {
  update();
} else {
  const legs = values.nest.flatMap((nest) => values.node.map((major) => runLeg(nest, major)));
  console.log();
  for (const { leg, passed, failed, ok } of legs)
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${leg}: ${passed} passed, ${failed} failed`);
  process.exitCode = legs.every(({ ok }) => ok) ? 0 : 1;
}
