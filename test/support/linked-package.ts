import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';

const ROOT = join(__dirname, '../..');
const INSTALLED = join(ROOT, 'node_modules');

/** What a script of an application printed as JSON, or how it ended otherwise. */
export type Outcome = Readonly<Record<string, unknown>>;

/**
 * This package in a folder with packages of its own, some of which are copies of those that applications here use: as
 * where it is linked, or where a package manager could not bring two version ranges together.
 */
export class LinkedPackage {
  readonly folder = mkdtempSync(join(tmpdir(), 'linked-'));

  /**
   * @param copied names of packages of `@nestjs` that are there twice
   * @param isMinified with the names of its classes replaced, as bundlers do
   */
  constructor({
    copied = [],
    isMinified = false,
  }: { copied?: readonly string[]; isMinified?: boolean } = {}) {
    const packages = join(this.folder, 'node_modules');
    mkdirSync(join(packages, '@nestjs'), { recursive: true });
    for (const name of readdirSync(INSTALLED)) {
      if (!name.startsWith('.') && name !== '@nestjs')
        symlinkSync(join(INSTALLED, name), join(packages, name));
    }
    for (const name of readdirSync(join(INSTALLED, '@nestjs'))) {
      const [from, to] = [join(INSTALLED, '@nestjs', name), join(packages, '@nestjs', name)];
      if (copied.includes(name)) cpSync(from, to, { recursive: true });
      else symlinkSync(from, to);
    }
    this.#compile('lib', 'package', isMinified);
  }

  /**
   * Runs a CommonJS script beside which `nest` requires what the application uses, and `mauth` is this package.
   *
   * @param body of an asynchronous function whose result is printed
   */
  run(body: string): Outcome {
    const script = `
      const nest = require('node:module').createRequire(${JSON.stringify(join(ROOT, 'package.json'))});
      nest('reflect-metadata');
      const mauth = require('./package/index.js');
      (async () => { ${body} })().then(
        (result) => console.log(JSON.stringify(result)),
        ({ name, message }) => console.log(JSON.stringify({ name, message })),
      ).finally(() => process.exit());`;
    writeFileSync(join(this.folder, 'application.cjs'), script);
    const options = {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    } as const;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['application.cjs'], options);
    try {
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Outcome;
    } catch {
      return { status, stdout, stderr };
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #compile(from: string, to: string, isMinified: boolean): void {
    for (const path of readdirSync(join(ROOT, from), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue;
      const { code } = transformSync(readFileSync(join(ROOT, from, path), 'utf8'), {
        configFile: false,
        swcrc: false,
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
          ...(isMinified && { minify: { mangle: { toplevel: true }, compress: true } }),
        },
        minify: isMinified,
        module: { type: 'commonjs' },
      });
      const target = join(this.folder, to, path.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, code);
    }
  }
}
