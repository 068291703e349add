import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENT } from '../../lib/config/environment-names.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { createTestApp } from '../support/test-app.js';

const root = join(__dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const options = read('docs/options.md');

/** Dotted names of settings with their defaults. */
function flatten(settings: object, prefix = ''): [string, unknown][] {
  return Object.entries(settings).flatMap(([name, value]): [string, unknown][] =>
    ['keys', 'service', 'body', 'responses'].includes(name)
      ? flatten(value, `${name}.`)
      : [[prefix + name, value]],
  );
}

/** The last cell of the row that describes an option. */
function documentedDefault(option: string): string | undefined {
  return new RegExp(`^\\| \`${option.replace('.', '\\.')}\`.*\\| *([^|]*?) *\\|$`, 'm').exec(options)?.[1];
}

/** Read where `MAUTH_SIGN_VERSIONS` is not set. */
const RUBYS_SIGN_VERSIONS = ['MAUTH_V2_ONLY_SIGN_REQUESTS', 'MAUTH_V1_ONLY_SIGN_REQUESTS'];

describe('docs/options.md', () => {
  it('names every environment variable at its option', () => {
    for (const [option, variables] of Object.entries(ENVIRONMENT))
      expect(options).toMatch(
        new RegExp(`^\\| \`${option}\`.*${variables.map((name) => `\`${name}\``).join('.*')}`, 'm'),
      );
  });

  const { privateKey, appUuid } = createTestApp();
  const defaults = flatten(resolveSettings({ appUuid, privateKey })).filter(([, value]) =>
    ['number', 'string', 'boolean'].includes(typeof value),
  );
  // The first has none, the other is no option.
  const others = ['appUuid', 'isPathPolicySet'];
  it.each(defaults.filter(([name]) => !others.includes(name)))(
    'gives the default of %s (%p)',
    (name, value) => {
      const documented = documentedDefault(name)
        ?.replace(/^`|`$/g, '')
        .replace(/,/g, '')
        .replace(/^(\d+) MiB$/, (_, mebibytes) => String(mebibytes * 1024 * 1024));
      expect(documented).toBe(String(value));
    },
  );

  it('is right about the variables that docs/migration.md says are the same', () => {
    const here = [...read('docs/migration.md').matchAll(/^\| (.*?) +\| (.*?) +\|$/gm)];
    expect(here.length).toBeGreaterThan(30);
    const variables = here
      .filter(([, , ours]) => ours === 'the same variables')
      .flatMap(([, theirs]) => [...theirs.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name]) => name));
    expect(variables.length).toBeGreaterThan(15);
    const known: readonly string[] = [...Object.values(ENVIRONMENT).flat(), ...RUBYS_SIGN_VERSIONS];
    expect(variables.filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('README', () => {
  it('is short', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(150);
  });

  it('has every page of docs/ on its map', () => {
    const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    expect(pages.filter((page) => !readme.includes(`](docs/${page})`))).toEqual([]);
  });

  it('names the commands for a fresh clone', () => {
    expect(readme).toContain('\nnpm ci && npm test\n');
    expect(readme).toContain('\nnpm ci && npm run sample\n');
  });

  it('names only scripts that there are, as do the pages for contributors', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const pages = readdirSync(join(root, 'docs/contributing')).map((name) => `docs/contributing/${name}`);
    const text = ['README.md', 'CONTRIBUTING.md', ...pages].map(read).join('\n');
    const named = [...text.matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !(name in scripts) && name !== 'start')).toEqual([]);
  });
});
