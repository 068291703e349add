import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { blocksOf } from './page-code.js';

const root = join(__dirname, '../..');

/** The examples in the docstring in front of a declaration. */
export function examplesOf(file: string, declaration: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  const at = source.indexOf(declaration);
  const docstring = source.slice(source.lastIndexOf('/**', at), at);
  const examples = docstring
    .replace(/\*\/[^]*$/, '')
    .split('@example\n')
    .slice(1);
  if (at < 0 || examples.length === 0) throw new Error(`\`${declaration}\` in ${file} has no example`);
  return examples.map((example) => example.replace(/^ *\* ?/gm, '').replace(/^export /gm, ''));
}

/** The only example there. */
export function exampleOf(file: string, declaration: string): string {
  const [example, second] = examplesOf(file, declaration);
  if (example === undefined || second !== undefined)
    throw new Error(`${declaration} has more than one example`);
  return example;
}

/** The block of code in a page of docs/ that contains a text, without its imports. */
export function exampleInPage(page: string, text: string): string {
  const found = blocksOf(page, 'ts').find((block) => block.includes(text));
  if (found === undefined) throw new Error(`no example in docs/${page} has ${text}`);
  return found.replace(/^import .*\n/gm, '').replace(/^export /gm, '');
}

type AnyFunction = (...values: unknown[]) => Promise<any>;
const AsyncFunction = (async () => undefined).constructor as new (...source: string[]) => AnyFunction;

/** Runs an example with these names given, and resolves to what an expression, such as a name, is at its end. */
export function runExample(example: string, given: Record<string, unknown>, end: string): Promise<any> {
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    experimentalDecorators: true,
  };
  const code = ts.transpile(example, options);
  const run = new AsyncFunction(...Object.keys(given), `${code}\nreturn ${end};`);
  return run(...Object.values(given));
}
