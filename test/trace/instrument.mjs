import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const { factory } = ts;

/**
 * Compiles `lib/` into a folder, each function so that it reports when it is called: to `globalThis.walk`, which
 * `walk.mjs` sets.
 */
export function instrument(lib, folder) {
  rmSync(folder, { recursive: true, force: true });
  for (const path of readdirSync(lib, { recursive: true })) {
    if (!path.endsWith('.ts')) continue;
    const target = join(folder, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(join(lib, path), 'utf8'), {
      fileName: path,
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.CommonJS,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        esModuleInterop: true,
        useDefineForClassFields: true,
      },
      transformers: { after: [reporting(path)] },
    });
    writeFileSync(target, outputText);
  }
}

/** Wraps the body of each function: `return walk.enter(file, name, () => { … })`. */
function reporting(file) {
  return (context) => {
    const visit = (node) => {
      const visited = ts.visitEachChild(node, visit, context);
      if (!isFunction(node) || !node.body || node.asteriskToken) return visited;
      return withBody(visited, wrapped(visited, file, nameOf(node)));
    };
    return (source) => ts.visitNode(source, visit);
  };
}

const isFunction = (node) =>
  ts.isFunctionDeclaration(node) ||
  ts.isFunctionExpression(node) ||
  ts.isArrowFunction(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isConstructorDeclaration(node) ||
  ts.isAccessor(node);

function wrapped({ body, modifiers }, file, name) {
  const isAsync = modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword);
  const inner = factory.createArrowFunction(
    isAsync ? [factory.createModifier(ts.SyntaxKind.AsyncKeyword)] : undefined,
    undefined,
    [],
    undefined,
    factory.createToken(ts.SyntaxKind.EqualsGreaterThanToken),
    body,
  );
  const enter = factory.createPropertyAccessExpression(
    factory.createPropertyAccessExpression(factory.createIdentifier('globalThis'), 'walk'),
    'enter',
  );
  const call = factory.createCallExpression(enter, undefined, [
    factory.createStringLiteral(file),
    factory.createStringLiteral(name),
    inner,
  ]);
  return factory.createBlock([factory.createReturnStatement(call)], true);
}

function withBody(node, body) {
  const { modifiers, parameters, name } = node;
  if (ts.isFunctionDeclaration(node))
    return factory.updateFunctionDeclaration(
      node,
      modifiers,
      undefined,
      name,
      undefined,
      parameters,
      undefined,
      body,
    );
  if (ts.isFunctionExpression(node))
    return factory.updateFunctionExpression(
      node,
      modifiers,
      undefined,
      name,
      undefined,
      parameters,
      undefined,
      body,
    );
  if (ts.isArrowFunction(node))
    return factory.updateArrowFunction(
      node,
      modifiers,
      undefined,
      parameters,
      undefined,
      node.equalsGreaterThanToken,
      body,
    );
  if (ts.isMethodDeclaration(node))
    return factory.updateMethodDeclaration(
      node,
      modifiers,
      undefined,
      name,
      undefined,
      undefined,
      parameters,
      undefined,
      body,
    );
  if (ts.isConstructorDeclaration(node))
    return factory.updateConstructorDeclaration(node, modifiers, parameters, body);
  if (ts.isGetAccessor(node))
    return factory.updateGetAccessorDeclaration(node, modifiers, name, parameters, undefined, body);
  return factory.updateSetAccessorDeclaration(node, modifiers, name, parameters, body);
}

function nameOf(node) {
  const parent = ts.getOriginalNode(node).parent;
  const owner = parent && ts.isClassLike(parent) && parent.name ? `${parent.name.text}.` : '';
  if (ts.isConstructorDeclaration(node)) return `new ${owner.slice(0, -1) || 'class'}`;
  const own = node.name?.getText?.() ?? node.name?.text;
  if (own) return owner + own;
  if (parent && (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent))) {
    return parent.name.getText?.() ?? '';
  }
  return '(function)';
}
