import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(__dirname, '../..');

/** The packed tarball; `pack.js` made it. */
export const tarball = process.env.MAUTH_TARBALL as string;

/** Runs a command to its end and gives what it printed; throws with all of it when it fails. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env?: NodeJS.ProcessEnv },
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** As `run`, while servers of the test go on answering. */
export async function runBeside(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, maxBuffer: 64 * 1024 * 1024 };
  try {
    return (await promisify(execFile)(command, args, options)).stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
  }
}

/** The version of a package that the project itself is developed with. */
export function developedWith(name: string): string {
  const { devDependencies } = jest.requireActual<{ devDependencies: Record<string, string> }>(
    join(root, 'package.json'),
  );
  return `${name}@${devDependencies[name]}`;
}

/** A project in a folder of its own, outside the repository, so that nothing resolves to the repository's packages. */
export class Consumer {
  readonly folder = mkdtempSync(join(tmpdir(), 'nestjs-mauth-consumer-'));

  constructor(manifest: object = {}) {
    this.write('package.json', JSON.stringify({ name: 'consumer', private: true, ...manifest }));
  }

  /** Its package.json with other fields. */
  manifest(fields: object): string {
    return JSON.stringify({
      ...JSON.parse(readFileSync(join(this.folder, 'package.json'), 'utf8')),
      ...fields,
    });
  }

  write(path: string, text: string): void {
    const target = join(this.folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  copy(from: string, to: string): void {
    cpSync(join(root, from), join(this.folder, to), { recursive: true });
  }

  install(...packages: string[]): void {
    run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: this.folder });
  }

  /** Runs a line of a shell. */
  shell(line: string): string {
    return run('sh', ['-c', line], { cwd: this.folder });
  }

  node(...args: string[]): string {
    return run(process.execPath, args, { cwd: this.folder });
  }

  /** Type checks or compiles with the project's own compiler. */
  tsc(...args: string[]): string {
    return run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args], {
      cwd: this.folder,
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
