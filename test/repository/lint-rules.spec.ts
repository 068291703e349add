import { ESLint, type Linter } from 'eslint';
import { join, posix } from 'node:path';

const IMPORTS = '@typescript-eslint/no-restricted-imports';
const SYNTAX = 'no-restricted-syntax';
const root = join(__dirname, '../..');
// Handed over, because Jest in CommonJS mode cannot load a configuration the way ESLint does.
const configuration = jest.requireActual<Linter.Config[]>('../../eslint.config.js');
// Without the rules that need types, of which reading all files for each line would take most of the time.
const overrideConfig = configuration.map(({ rules = {}, ...others }) => ({
  ...others,
  rules: Object.fromEntries(Object.entries(rules).filter(([name]) => [IMPORTS, SYNTAX].includes(name))),
}));
const withoutTypes = { languageOptions: { parserOptions: { project: null, projectService: false } } };
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: [...overrideConfig, { files: ['**/*.ts'], ...withoutTypes }],
});

/** What the linter says about one line, were it written in that file. */
async function verdict(file: string, line: string, rule = IMPORTS): Promise<string[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: join(root, file) });
  const fatal = result.messages.find((message) => message.fatal);
  if (fatal) throw new Error(fatal.message);
  return result.messages.filter(({ ruleId }) => ruleId === rule).map(({ message }) => message);
}

/** From the bottom to the top; one file of each. */
const ROOMS = {
  protocol: 'lib/protocol/signature.ts',
  config: 'lib/config/errors.ts',
  signing: 'lib/signing/mauth-signer.ts',
  service: 'lib/service/service-connection.ts',
  keys: 'lib/keys/mauth-key-cache.ts',
  authentication: 'lib/authentication/result.ts',
  http: 'lib/http/servers/mauth-plugin.ts',
  outbound: 'lib/outbound/request-body.ts',
  nest: 'lib/nest/mauth.guard.ts',
};
const FETCH = 'lib/outbound/fetch/signed-fetch.ts';
const AXIOS = 'lib/outbound/axios/mauth-http.service.ts';
const PLATFORM = 'lib/nest/platforms/express.platform.ts';
const names = Object.keys(ROOMS) as (keyof typeof ROOMS)[];

/** How one file imports another one. */
function imported(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to).replace(/\.ts$/, '.js');
  return `import '${path.startsWith('.') ? path : `./${path}`}';`;
}
const pairs = (wanted: (from: number, to: number) => boolean) =>
  names.flatMap((from, i) =>
    names.filter((_, j) => wanted(i, j)).map((to): [string, string] => [ROOMS[from], ROOMS[to]]),
  );

const DOWNWARDS = [expect.stringContaining('Imports point downwards only')];
const NO_NEST = [expect.stringContaining('The core rooms know nothing of Nest')];

describe('the linter', () => {
  it.each([
    ...names.filter((name) => name !== 'nest').map((name) => ROOMS[name]),
    FETCH,
    'lib/core.ts',
    'lib/kms/index.ts',
  ])('keeps Nest out of %s', async (file) => {
    await expect(verdict(file, `import '@nestjs/common';`)).resolves.toEqual(NO_NEST);
    await expect(verdict(file, `import '@nestjs/axios';`)).resolves.toEqual(NO_NEST);
  });

  it.each([
    ...pairs((from, to) => from < to),
    [ROOMS.outbound, ROOMS.http],
    [AXIOS, ROOMS.http],
    [AXIOS, ROOMS.nest],
    [FETCH, AXIOS],
    [ROOMS.outbound, AXIOS],
    ['lib/core.ts', AXIOS],
    ['lib/core.ts', PLATFORM],
    ['lib/lambda/index.ts', ROOMS.nest],
    [ROOMS.keys, 'lib/core.ts'],
    [ROOMS.authentication, 'lib/index.ts'],
    [PLATFORM, 'lib/index.ts'],
    ...names.map((name): [string, string] => [ROOMS[name], 'lib/kms/kms-decryptor.ts']),
    [PLATFORM, 'lib/testing/index.ts'],
    ['lib/core.ts', 'lib/explain/index.ts'],
    ['lib/cli/commands/serve.ts', 'lib/testing/mauth-testing.module.ts'],
    ['lib/cli/commands/serve.ts', ROOMS.nest],
  ])('keeps imports downwards: %s does not import %s', async (from, to) => {
    await expect(verdict(from, imported(from, to))).resolves.toEqual(DOWNWARDS);
  });

  it('keeps the subpath exports out of the front door for Nest', async () => {
    await expect(verdict('lib/index.ts', `import './swagger/index.js';`)).resolves.toEqual([
      expect.stringContaining('A subpath export.'),
    ]);
  });

  it.each([...Object.values(ROOMS), FETCH, AXIOS, PLATFORM, 'lib/index.ts', 'lib/core.ts'])(
    'keeps axios and sub-paths of Nest packages out of the run time of %s',
    async (file) => {
      await expect(verdict(file, `import axios from 'axios';`)).resolves.toHaveLength(1);
      await expect(verdict(file, `import '@nestjs/common/interfaces/index.js';`)).resolves.not.toEqual([]);
    },
  );

  it.each([
    ...pairs((from, to) => from > to && !(names[from] === 'outbound' && names[to] === 'http')),
    [AXIOS, ROOMS.outbound],
    [AXIOS, ROOMS.authentication],
    [PLATFORM, ROOMS.http],
    ['lib/index.ts', ROOMS.nest],
    ['lib/index.ts', AXIOS],
    ['lib/core.ts', FETCH],
    ['lib/lambda/index.ts', ROOMS.http],
    ['lib/lambda/index.ts', 'lib/kms/kms-decryptor.ts'],
    [ROOMS.authentication, 'lib/protocol/index.ts'],
    ['lib/cli/commands/serve.ts', 'lib/testing/fake-mauth-service.ts'],
    ['lib/cli/commands/explain.ts', 'lib/explain/explain-request.ts'],
  ])('allows what points downwards: %s may import %s', async (from, to) => {
    await expect(verdict(from, imported(from, to))).resolves.toEqual([]);
  });

  it.each([ROOMS.nest, AXIOS])('allows Nest in %s', async (file) => {
    await expect(verdict(file, `import '@nestjs/common';`)).resolves.toEqual([]);
  });

  it.each([
    ['const clock = Date.now;'],
    ['export const settings = { now: performance.now };'],
    ['export const asDefault = (now = Date.now) => now();'],
    ['const { now } = Date;'],
    ['const { setTimeout: later } = globalThis;'],
    ['const later = setTimeout;'],
    ['await new Promise(setImmediate);'],
    [`import { setTimeout } from 'node:timers/promises';`],
  ])('lets no clock and no timer be kept, because fake ones come later: %s', async (line) => {
    await expect(verdict(ROOMS.keys, line, SYNTAX)).resolves.toContainEqual(
      expect.stringContaining('Call clocks and timers by their global names each time'),
    );
  });

  it.each([
    ['const time = Date.now();'],
    ['const clock = () => Date.now();'],
    ['clearTimeout(setTimeout(() => undefined, performance.now()));'],
  ])('allows clocks and timers that are called: %s', async (line) => {
    await expect(verdict(ROOMS.keys, line, SYNTAX)).resolves.toEqual([]);
  });
});
