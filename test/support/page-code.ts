import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from '@swc/core';

/** The blocks of one language of a page in docs/. */
export function blocksOf(page: string, language: string): string[] {
  return blocksIn(readFileSync(join(__dirname, '../../docs', page), 'utf8'), language);
}

/** The blocks of one language of a text, such as a section of a page. */
export function blocksIn(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, block]) => block,
  );
}

/** A block of TypeScript as CommonJS. */
export function compileBlock(block: string): string {
  const { code } = transformSync(block, {
    swcrc: false,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'commonjs' },
  });
  return code;
}

/** Runs a block of TypeScript, and gives what it exports. */
export function runBlock(block: string, load: (name: string) => unknown): Record<string, unknown> {
  const exported: Record<string, unknown> = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  new Function('require', 'exports', compileBlock(block))(load, exported);
  return exported;
}

/** What stands below a heading of a page, down to the next one of its rank or above. */
export function sectionOf(page: string, heading: string): string {
  const lines = readFileSync(join(__dirname, '../../docs', page), 'utf8').split('\n');
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  if (from < 0) throw new Error(`docs/${page} has no heading "${heading}"`);
  const rank = lines[from].indexOf(' ');
  const next = new RegExp(`^#{1,${rank}} `);
  const length = lines.slice(from + 1).findIndex((line) => next.test(line));
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join('\n');
}

/** The rows of all tables of a text that begin with a code in backticks; the code is without them. */
export function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| `([a-z0-9_]+)` +\|(.*)\|$/gm)].map(([, code, rest]) => [
    code,
    ...rest.split('|').map((cell) => cell.trim()),
  ]);
}
