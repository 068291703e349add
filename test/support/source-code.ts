import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** The strings of a union type that a file of lib/ declares, those of the unions that it names in that file included. */
export function literalsOf(path: string, type: string): string[] {
  const text = readFileSync(join(__dirname, '../../lib', path), 'utf8');
  const { statements } = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const declared = statements.filter(ts.isTypeAliasDeclaration).find(({ name }) => name.text === type);
  if (!declared) throw new Error(`lib/${path} declares no type ${type}`);
  const parts = ts.isUnionTypeNode(declared.type) ? declared.type.types : [declared.type];
  return parts.flatMap((part) => {
    if (ts.isLiteralTypeNode(part) && ts.isStringLiteral(part.literal)) return part.literal.text;
    if (ts.isTypeReferenceNode(part) && ts.isIdentifier(part.typeName))
      return literalsOf(path, part.typeName.text);
    throw new Error(`lib/${path}: ${type} is no union of strings`);
  });
}
