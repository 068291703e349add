import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENT } from '../../lib/config/environment-names.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { createTestApp } from '../support/test-app.js';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

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
  return new RegExp(`^\\| \`${option.replace('.', '\\.')}\`.*\\| *([^|]*?) *\\|$`, 'm').exec(readme)?.[1];
}

/** Read where `MAUTH_SIGN_VERSIONS` is not set. */
const RUBYS_SIGN_VERSIONS = ['MAUTH_V2_ONLY_SIGN_REQUESTS', 'MAUTH_V1_ONLY_SIGN_REQUESTS'];

describe('README', () => {
  it('names every environment variable at its option', () => {
    for (const [option, variables] of Object.entries(ENVIRONMENT))
      expect(readme).toMatch(
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

  it('names, for those who come from another client, only variables that are read', () => {
    const section = /^## Coming from another MAuth client\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
    const here = [...section.matchAll(/^\| (.*?) +\| (.*?) +\|$/gm)];
    expect(here.length).toBeGreaterThan(30);
    const variables = here
      .filter(([, , ours]) => ours === 'the same variables')
      .flatMap(([, theirs]) => [...theirs.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name]) => name));
    expect(variables.length).toBeGreaterThan(15);
    const read: readonly string[] = [...Object.values(ENVIRONMENT).flat(), ...RUBYS_SIGN_VERSIONS];
    expect(variables.filter((name) => !read.includes(name))).toEqual([]);
  });

  it('names the commands for a fresh clone', () => {
    expect(readme).toContain('\nnpm ci && npm test\n');
    expect(readme).toContain('\nnpm ci && npm run sample\n');
  });

  it('names only scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const named = [...readme.matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !(name in scripts) && name !== 'start')).toEqual([]);
  });
});
