import { readFileSync } from 'node:fs';
import { Converter } from 'typedoc';

const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** The source of each entry point of package.json. */
const entryPoints = Object.values(exports)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entry.import.default.replace('./dist/esm/', 'lib/').replace(/\.js$/, '.ts'));

/** Modules are called what users import: `nestjs-mauth` for `index`, `nestjs-mauth/core` for `core`. */
function nameAsImported(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? [])
      module.name = module.name === 'index' ? 'nestjs-mauth' : `nestjs-mauth/${module.name}`;
  });
}

/** The API reference in docs/api, one page for each entry point: `npm run docs:api`. */
export default {
  plugin: ['typedoc-plugin-markdown', nameAsImported],
  entryPoints,
  tsconfig: 'tsconfig.json',
  out: 'docs/api',
  name: 'API reference',
  readme: 'none',
  // The same text on each machine.
  disableSources: true,
  disableGit: true,
  hideGenerator: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: false,
  excludeExternals: true,
  treatWarningsAsErrors: true,
  router: 'module',
  entryFileName: 'README',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useHTMLAnchors: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  propertyMembersFormat: 'table',
  enumMembersFormat: 'table',
};
