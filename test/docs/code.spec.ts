import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { blocksIn } from '../support/page-code.js';

const root = join(__dirname, '../..');
const folder = join(root, 'test/docs/blocks');

/** Files of the reader's own application that blocks import. */
const COMPANIONS: Record<string, string> = {
  'audit.module.ts': `
    import { Injectable, Module } from '@nestjs/common';
    @Injectable() export class Audit { record(appUuid: string, handler: string): void {} }
    @Module({ providers: [Audit], exports: [Audit] }) export class AuditModule {}`,
  'app.module.ts': 'export class AppModule {}',
  'request-log.ts': `
    import { type RequestHandler } from 'express';
    export declare const requestId: () => RequestHandler;
    export declare const accessLog: () => RequestHandler;`,
  'request-id.ts': `
    import { type onRequestHookHandler } from 'fastify';
    export declare const requestId: onRequestHookHandler;`,
  'studies.controller.ts': 'export class StudiesController {}',
};

interface Block {
  readonly name: string;
  readonly code: string;
}

/** The blocks of TypeScript in README.md and in the pages of docs/. */
function blocks(): Block[] {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...pages.map((name) => `docs/${name}`)].flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    return blocksIn(text, 'ts').map((code, index) => ({ name: `${page}, block ${index + 1}`, code }));
  });
}

/** What the compiler says of each file, by name. */
function complaints(files: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const settings = {
    ...options,
    module: ts.ModuleKind.Preserve, // with `await` at the top of a file
    types: [...(options.types ?? []), 'multer'], // as an application with uploads has them
    noEmit: true,
    incremental: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const host = ts.createCompilerHost(settings);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.directoryExists = (path) => path === folder || (directoryExists?.(path) ?? true);
  host.getSourceFile = (path, version, ...rest) => {
    const text = files.get(path);
    if (text === undefined) return getSourceFile(path, version, ...rest);
    return ts.createSourceFile(path, text, version);
  };
  const program = ts.createProgram([...files.keys()], settings, host);
  return [...files.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) =>
        `${path.slice(folder.length + 1)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
  });
}

describe('The TypeScript in README.md and docs/', () => {
  it('compiles', () => {
    const files = new Map(Object.entries(COMPANIONS).map(([name, code]) => [join(folder, name), code]));
    const all = blocks();
    expect(all.length).toBeGreaterThan(30);
    all.forEach(({ name, code }) => {
      files.set(join(folder, `${name.replace(/\W+/g, '-')}.ts`), `${code}\nexport {};\n`);
    });
    expect(complaints(files)).toEqual([]);
  }, 120_000);

  it('would not compile with a wrong name', () => {
    const file = join(folder, 'wrong.ts');
    expect(complaints(new Map([[file, "import { Publik } from 'nestjs-mauth';\nPublik();\n"]]))).toEqual([
      expect.stringContaining("no exported member named 'Publik'"),
    ]);
  }, 120_000);
});
