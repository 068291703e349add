/**
 * Bundles what `nest build` has compiled into `.build`: for each entry point of `exports` one file, with what they
 * share in a few chunks, once as CommonJS and once as ES modules; and their declarations. What is in the way of
 * loading fast, or would be two copies of one thing, is decided here; docs/contributing/decisions.md says why.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import dts from 'rollup-plugin-dts';
import ts from 'typescript';

const ROOT = dirname(fileURLToPath(import.meta.url));
const COMPILED = join(ROOT, '.build');
const FORMATS = { cjs: 'cjs', esm: 'es' };
const require = createRequire(import.meta.url);
const { exports: subpaths, dependencies, peerDependencies } = require('./package.json');

/** Paths below lib/ without suffix, such as `lambda/index`: whatever `exports` leads to. */
const ENTRIES = Object.values(subpaths)
  .filter((target) => typeof target === 'object')
  .map((target) => /^\.\/dist\/esm\/(.+)\.js$/.exec(target.import.default)[1]);
const COMMAND_LINE = 'cli/mauth';

const external = (id) =>
  id.startsWith('node:') ||
  Object.keys({ ...dependencies, ...peerDependencies }).some(
    (name) => id === name || id.startsWith(`${name}/`),
  );

/**
 * Libraries of which little is used and much would be loaded: the part that is used is taken in, and their licences
 * with it. They are development dependencies.
 */
const TAKEN_IN = {
  cockatiel: 'dist/esm/index.js',
  tslib: 'tslib.es6.mjs',
  valibot: 'dist/index.mjs',
};
const folderOf = (name) => join(ROOT, 'node_modules', name);

/** What belongs together is one file, as long as nobody loads much that he does not need; the first that fits. */
const CHUNKS = {
  // Looks for the packages of Nest before anything imports them, so it must stand alone.
  packages: /^nest\/packages\.js$/,
  // All that `mauth --version` needs.
  version: /^config\/version\.js$/,
  protocol: /^(protocol\/|config\/errors\.js)/,
  nest: /^(nest|outbound\/axios)\//,
  servers: /^(http|outbound)\//,
  engine: /^(config|signing|service|keys|authentication|\.\.\/node_modules)\//,
  explain: /^explain\//,
  // Those that need a server or Nest are files of their own.
  commands: /^cli\/(?!mauth|run|program|proxy\/|commands\/(proxy|serve|routes))/,
};
/** Declarations are read by compilers, where only this matters: who has no Nest is led to no types of Nest. */
const DECLARATION_CHUNKS = {
  nest: CHUNKS.nest,
  types: /^(protocol|config|signing|service|keys|authentication|http|outbound)\//,
};

const chunkOf = (chunks, folder, format) => (id) => {
  const path = relative(folder, id);
  if (ENTRIES.includes(path.replace(/(\.d)?\.[jt]s$/, '')) || external(id)) return undefined;
  // As `nest/packages.js` does, those of a subpath look for packages before anything imports them; in CommonJS
  // alone, for ES modules are not run before all that they import has been found.
  const [, subpath] = /^(.+)\/packages\.js$/.exec(path) ?? [];
  if (subpath && subpath !== 'nest' && format === 'cjs') return `${subpath}-packages`;
  return Object.keys(chunks).find((name) => chunks[name].test(path));
};

const takeIn = {
  name: 'take-in',
  resolveId(source, importer) {
    if (Object.hasOwn(TAKEN_IN, source)) return join(folderOf(source), TAKEN_IN[source]);
    // Modules of cockatiel name each other without suffix.
    if (importer?.startsWith(folderOf('cockatiel')) && source.startsWith('.'))
      return join(dirname(importer), `${source}.js`);
    return null;
  },
};

const tabs = (spaces) => '\t'.repeat(spaces.length / 4);

/** Comments are for readers of the source, and one tab does for four spaces. Text in templates stays as it is. */
const compact = {
  name: 'compact',
  transform(code, id) {
    const { outputText } = ts.transpileModule(code, {
      fileName: id,
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, removeComments: true },
    });
    const source = ts.createSourceFile(id, outputText, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
    const templates = [];
    const visit = (node) => {
      if (ts.isTemplateExpression(node)) {
        templates.push([node.head.getStart(), node.head.end]);
        for (const { literal } of node.templateSpans) templates.push([literal.getStart(), literal.end]);
      } else if (ts.isNoSubstitutionTemplateLiteral(node)) {
        templates.push([node.getStart(), node.end]);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    return outputText.replace(/^(?: {4})+/gm, (spaces, offset) =>
      templates.some(([start, end]) => start < offset && offset < end) ? spaces : tabs(spaces),
    );
  },
};

/** Comments stay in declarations, for editors show them. */
const compactDeclarations = {
  name: 'compact-declarations',
  renderChunk: (code) => code.replace(/^(?: {4})+/gm, tabs),
};

/** What names nothing but types of Node means the same in both formats, and is there once. */
const shared = {
  name: 'shared-declarations',
  renderChunk(code, chunk) {
    if (chunk.name !== 'types') return null;
    const foreign = chunk.imports.filter((name) => !name.startsWith('node:'));
    if (foreign.length > 0) this.error(`Declarations without Nest name ${foreign.join(', ')}`);
    return `export * from '../../cjs/${chunk.fileName.replace(/\.d\.ts$/, '.js')}';\n`;
  },
};

const scope = {
  name: 'scope',
  generateBundle() {
    const source = JSON.stringify({ type: 'module', sideEffects: false });
    this.emitFile({ type: 'asset', fileName: 'package.json', source });
  },
};

const licences = {
  name: 'licences',
  writeBundle(_options, bundle) {
    const ids = Object.values(bundle).flatMap(({ moduleIds = [] }) => moduleIds);
    const texts = Object.keys(TAKEN_IN)
      .filter((name) => ids.some((id) => id.startsWith(folderOf(name))))
      .map((name) => {
        const { version } = require(join(folderOf(name), 'package.json'));
        const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((one) => join(folderOf(name), one));
        return `${name} ${version}\n\n${firstOf(file).trim()}\n`;
      });
    const source = `Parts of these packages are contained in the files beside this one.\n\n${texts.join('\n\n')}`;
    writeFileSync(join(ROOT, 'dist/LICENSES.txt'), source);
  },
};

function firstOf(files) {
  for (const file of files) {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  throw new Error(`There is none of ${files.join(', ')}`);
}

const inputs = (folder, suffix, names) =>
  Object.fromEntries(names.map((name) => [name, join(folder, `${name}${suffix}`)]));

/** A warning is about something that users would notice. */
function onwarn(warning) {
  throw Object.assign(new Error(warning.message), warning);
}

const code = Object.entries(FORMATS).map(([folder, format]) => ({
  input: inputs(COMPILED, '.js', format === 'cjs' ? [...ENTRIES, COMMAND_LINE] : ENTRIES),
  external,
  onwarn,
  // What is imported for nothing but its effect: `packages.ts` and the polyfill of metadata.
  treeshake: { moduleSideEffects: (id) => !/node_modules/.test(id) || external(id) },
  plugins: [takeIn, compact, ...(format === 'cjs' ? [licences] : [scope])],
  output: {
    dir: join(ROOT, 'dist', folder),
    format,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    manualChunks: chunkOf(CHUNKS, COMPILED, format),
    // A chunk is loaded by who needs it, in the order of the source.
    hoistTransitiveImports: false,
    generatedCode: { preset: 'es2015', symbols: false },
    ...(format === 'cjs' && {
      interop: 'auto',
      externalLiveBindings: false,
      dynamicImportInCjs: false,
      esModule: true,
    }),
  },
}));

const declarations = {
  input: inputs(join(ROOT, 'lib'), '.ts', ENTRIES),
  external,
  onwarn,
  plugins: [
    dts({
      tsconfig: join(ROOT, 'tsconfig.build.json'),
      compilerOptions: { paths: {}, declaration: true, removeComments: false },
    }),
    compactDeclarations,
  ],
  output: Object.keys(FORMATS).map((folder) => ({
    dir: join(ROOT, 'dist', folder),
    format: 'es',
    entryFileNames: '[name].d.ts',
    chunkFileNames: 'chunks/[name].d.ts',
    plugins: folder === 'esm' ? [shared] : [],
    manualChunks: chunkOf(DECLARATION_CHUNKS, join(ROOT, 'lib')),
  })),
};

export default [...code, declarations];
