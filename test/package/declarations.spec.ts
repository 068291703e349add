import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '../..');
const dist = join(root, 'dist');
const { exports: subpaths } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | Record<'import', { types: string }>>;
};
const entries = Object.entries(subpaths).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [[subpath, join(root, target.import.types)] as const],
);
const program = ts.createProgram(
  entries.map(([, file]) => file),
  { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: ['node'] },
);
const checker = program.getTypeChecker();

/** What a name stands for, behind imports and exports under other names. */
function behind(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function exportsOf(file: string): Map<string, ts.Symbol> {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${file} is not there: npm run build`);
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, behind(symbol)]));
}

function isOurs(node: ts.Node): boolean {
  return node.getSourceFile().fileName.startsWith(dist);
}

const { TypeParameter, ClassMember, FunctionScopedVariable, ValueModule } = ts.SymbolFlags;

/** Whether it stands in a module of ours, and is no part of something else there. */
function isDeclaredByUs({ flags, declarations = [] }: ts.Symbol): boolean {
  const isPart = flags & (TypeParameter | ClassMember | FunctionScopedVariable | ValueModule);
  return !isPart && declarations.length > 0 && declarations.every(isOurs);
}

/** What of ours a declaration names, but for its private members. */
function namedIn(node: ts.Node): ts.Symbol[] {
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) return [];
  const symbol = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
  const named = symbol && isDeclaredByUs(behind(symbol)) ? [behind(symbol)] : [];
  ts.forEachChild(node, (child) => void named.push(...namedIn(child)));
  return named;
}

/** What TypeScript itself declares beside a class that extends an expression; it has no name for users. */
function isBaseOf(symbol: ts.Symbol, name: string): boolean {
  return symbol.name === `${name}_base`;
}

const core = exportsOf(join(dist, 'esm/core.d.ts'));
const frontDoor = exportsOf(join(dist, 'esm/index.d.ts'));
/** Users of these entries have a Nest application, and with it the front door for Nest. */
const FOR_NEST = ['./testing', './terminus', './swagger'];

describe.each(entries)('the declarations of %s', (subpath, file) => {
  const exported = exportsOf(file);

  it('name only such types of ours as are exported there, or by the front door of its users', () => {
    const gate = FOR_NEST.includes(subpath) ? frontDoor : core;
    const nameable = new Set([...exported.values(), ...gate.values()]);
    const forgotten = [...exported].flatMap(([name, { declarations = [] }]) =>
      declarations
        .filter(isOurs)
        .flatMap(namedIn)
        .filter((named) => !nameable.has(named) && !isBaseOf(named, name))
        .map(({ name: missing, declarations: [place] = [] }) => {
          const where = place && relative(dist, place.getSourceFile().fileName);
          return `${name} names ${missing} of ${where}`;
        }),
    );
    expect([...new Set(forgotten)]).toEqual([]);
  });

  it('give one name to one type in all of the package', () => {
    const others = entries.filter(([, other]) => other !== file).map(([, other]) => exportsOf(other));
    const ambiguous = [...exported].filter(([name, symbol]) =>
      others.some((other) => other.has(name) && other.get(name) !== symbol),
    );
    expect(ambiguous.map(([name]) => name)).toEqual([]);
  });
});
