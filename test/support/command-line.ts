import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const ROOT = join(__dirname, '../..');

/** `it`, skipped with a word where curl is not installed. */
export const itWithCurl = spawnSync('curl', ['--version']).status === 0 ? it : skippedWithoutCurl();

function skippedWithoutCurl(): typeof it.skip {
  console.warn('curl is not installed: the tests that run it are skipped.');
  return it.skip;
}

/** How a process ended. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/** The words that start `mauth`: of the sources, or of the package that the tests of the package have installed. */
export function mauthWords(): string[] {
  const bin = process.env.MAUTH_BIN;
  if (bin) return [process.execPath, bin];
  const register = join(ROOT, 'test/support/run-typescript.js');
  return [process.execPath, '--require', register, join(ROOT, 'lib/cli/mauth.ts')];
}

/** A folder of a user, in which `mauth` runs: with nothing of this machine's configuration. */
export class CommandLine {
  readonly folder = mkdtempSync(join(tmpdir(), 'mauth-cli-'));

  constructor(readonly env: Readonly<Record<string, string>> = {}) {}

  write(path: string, content: string | Uint8Array): string {
    const target = join(this.folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    return target;
  }

  /** Packages of another folder, as if they were installed here. */
  link(path: string, target: string): void {
    rmSync(join(this.folder, path), { force: true });
    symlinkSync(target, join(this.folder, path));
  }

  /** Runs `mauth` to its end. */
  async mauth(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.run([...mauthWords(), ...args], options);
  }

  /** Runs any command to its end, in the same surroundings. */
  async run([command, ...args]: readonly string[], { env, input = '' }: RunOptions = {}): Promise<Ended> {
    const child = this.#spawn(command, args, env);
    child.stdin?.on('error', () => undefined); // It may end before it has read all.
    child.stdin?.end(input);
    const [stdout, stderr, exitCode] = await Promise.all([
      buffer(child.stdout!),
      buffer(child.stderr!),
      new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject)),
    ]);
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  /** Starts `mauth`, and waits for a line on stdout. */
  async started(
    args: readonly string[],
    line: RegExp,
  ): Promise<{ match: RegExpExecArray; end: () => Promise<Ended> }> {
    const [command, ...words] = mauthWords();
    const child = this.#spawn(command, [...words, ...args]);
    let stdout = '';
    let stderr = '';
    child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const match = await new Promise<RegExpExecArray>((resolve, reject) => {
      child.stdout!.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        const found = line.exec(stdout);
        if (found) resolve(found);
      });
      child.on('close', (code) => reject(new Error(`mauth ended with ${code}: ${stderr}`)));
    });
    const end = async () => {
      child.kill('SIGINT');
      return { exitCode: await closed, stdout, stderr };
    };
    return { match, end };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(command: string, args: readonly string[], env: RunOptions['env'] = {}): ChildProcess {
    const { PATH = '' } = process.env;
    return spawn(command, args, {
      cwd: this.folder,
      env: { PATH, HOME: this.folder, ...this.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }
}
