import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '../..');

/** The example in the docstring of what a file exports under that name. */
export function exampleOf(file: string, exported: string): string {
  const source = readFileSync(join(root, file), 'utf8');
  const end = source.search(new RegExp(`^export (async )?(function|const|class) ${exported}\\b`, 'm'));
  const docstring = source.slice(source.lastIndexOf('/**', end), end);
  const example = /@example\n([^]*?)\n \*\//.exec(docstring)?.[1];
  if (example === undefined) throw new Error(`${exported} in ${file} has no example`);
  return example.replace(/^ \* ?/gm, '');
}

/** The block of code in README.md that contains a text, without its imports. */
export function exampleInReadme(text: string): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, block]) => block ?? '');
  const found = blocks.find((block) => block.includes(text));
  if (found === undefined) throw new Error(`no example in README.md has ${text}`);
  return found.replace(/^import .*\n/gm, '');
}

type AnyFunction = (...values: unknown[]) => Promise<unknown>;
const AsyncFunction = (async () => undefined).constructor as new (...source: string[]) => AnyFunction;

/** Runs an example with these names given, and resolves to the variable or class of that name. */
export function runExample(example: string, given: Record<string, unknown>, name: string): Promise<unknown> {
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    experimentalDecorators: true,
  };
  const code = ts.transpile(example.replace(/^export /gm, ''), options);
  const run = new AsyncFunction(...Object.keys(given), `${code}\nreturn ${name};`);
  return run(...Object.values(given));
}
