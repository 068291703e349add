import { ESLint, type Linter } from 'eslint';
import { join } from 'node:path';

const IMPORTS = '@typescript-eslint/no-restricted-imports';
const SYNTAX = 'no-restricted-syntax';
const root = join(__dirname, '../..');
// Handed over, because Jest in CommonJS mode cannot load a configuration the way ESLint does.
const overrideConfig = jest.requireActual<Linter.Config[]>('../../eslint.config.js');
// With CI=true the parser would look at the files on disk instead of the text that it is given.
const readText = { languageOptions: { parserOptions: { disallowAutomaticSingleRunInference: true } } };
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: [...overrideConfig, { files: ['**/*.ts'], ...readText }],
});

/** What the linter says about one line, were it written in that file. */
async function verdict(file: string, line: string, rule = IMPORTS): Promise<string[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: join(root, file) });
  const fatal = result.messages.find((message) => message.fatal);
  if (fatal) throw new Error(fatal.message);
  return result.messages.filter(({ ruleId }) => ruleId === rule).map(({ message }) => message);
}

const PROTOCOL = 'lib/protocol/signature.ts';
const SIGNING = 'lib/signing/mauth-signer.ts';
const KEYS = 'lib/keys/public-key-source.ts';
const AUTHENTICATION = 'lib/authentication/result.ts';
const INBOUND = 'lib/inbound/inbound-outcome.ts';
const OUTBOUND = 'lib/outbound/request-url.ts';

describe('the linter', () => {
  it.each([
    [PROTOCOL, '@nestjs/common'],
    [SIGNING, '@nestjs/common'],
    [KEYS, '@nestjs/core'],
    [AUTHENTICATION, '@nestjs/common'],
    ['lib/doors/mauth-middleware.ts', '@nestjs/common'],
    ['lib/inbound/request-authenticator.ts', '@nestjs/common'],
    ['lib/core.ts', '@nestjs/axios'],
    ['lib/outbound/signed-fetch.ts', '@nestjs/axios'],
    ['lib/mauth.options.ts', '@nestjs/axios'],
  ])('keeps Nest out of %s (%s)', async (file, imported) => {
    await expect(verdict(file, `import '${imported}';`)).resolves.toEqual([
      expect.stringContaining('The core rooms know nothing of Nest'),
    ]);
  });

  it.each([
    [PROTOCOL, '../signing/mauth-signer.js'],
    [PROTOCOL, '../keys/public-key-source.js'],
    [PROTOCOL, '../authentication/result.js'],
    [PROTOCOL, '../inbound/inbound-outcome.js'],
    [PROTOCOL, '../outbound/request-url.js'],
    [SIGNING, '../keys/public-key-source.js'],
    [SIGNING, '../authentication/result.js'],
    [SIGNING, '../inbound/inbound-outcome.js'],
    [KEYS, '../authentication/mauth-authenticator.js'],
    [KEYS, '../outbound/request-url.js'],
    [KEYS, '../core.js'],
    [AUTHENTICATION, '../inbound/inbound-outcome.js'],
    [AUTHENTICATION, '../outbound/request-url.js'],
    [AUTHENTICATION, '../index.js'],
    [INBOUND, '../outbound/request-url.js'],
    [INBOUND, '../mauth.module.js'],
    [OUTBOUND, '../inbound/inbound-outcome.js'],
    [OUTBOUND, '../mauth.module.js'],
    [INBOUND, '../doors/mauth-middleware.js'],
    ['lib/doors/mauth-middleware.ts', '../outbound/request-url.js'],
    ['lib/core.ts', './outbound/mauth-http.service.js'],
    ['lib/core.ts', './mauth.module.js'],
    [AUTHENTICATION, '../kms/index.js'],
    [INBOUND, '../lambda/index.js'],
    ['lib/mauth.module.ts', './testing/index.js'],
    ['lib/index.ts', './swagger/index.js'],
  ])('keeps imports downwards in %s (%s)', async (file, imported) => {
    await expect(verdict(file, `import '${imported}';`)).resolves.toEqual([
      expect.stringContaining('Imports point downwards only'),
    ]);
  });

  it('lets the protocol room import nothing of ours', async () => {
    await expect(verdict(PROTOCOL, `import '../mauth.errors.js';`)).resolves.toEqual([
      expect.stringContaining('The protocol room imports nothing of ours'),
    ]);
  });

  it.each([PROTOCOL, KEYS, INBOUND, OUTBOUND, 'lib/mauth.module.ts'])(
    'keeps axios and sub-paths of Nest packages out of the run time of %s',
    async (file) => {
      await expect(verdict(file, `import axios from 'axios';`)).resolves.toHaveLength(1);
      await expect(verdict(file, `import '@nestjs/common/interfaces/index.js';`)).resolves.not.toEqual([]);
    },
  );

  it.each([
    [SIGNING, '../protocol/signature.js'],
    [KEYS, '../signing/mauth-signer.js'],
    [AUTHENTICATION, '../keys/public-key-source.js'],
    [AUTHENTICATION, '../protocol/index.js'],
    [INBOUND, '../authentication/result.js'],
    [INBOUND, '@nestjs/common'],
    ['lib/doors/mauth-middleware.ts', '../inbound/door.js'],
    [OUTBOUND, '@nestjs/axios'],
    [OUTBOUND, '../signing/mauth-signer.js'],
    ['lib/mauth.module.ts', './inbound/inbound-outcome.js'],
  ])('allows what points downwards: %s may import %s', async (file, imported) => {
    await expect(verdict(file, `import '${imported}';`)).resolves.toEqual([]);
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
    await expect(verdict(KEYS, line, SYNTAX)).resolves.toContainEqual(
      expect.stringContaining('Call clocks and timers by their global names each time'),
    );
  });

  it.each([
    ['const time = Date.now();'],
    ['const clock = () => Date.now();'],
    ['clearTimeout(setTimeout(() => undefined, performance.now()));'],
  ])('allows clocks and timers that are called: %s', async (line) => {
    await expect(verdict(KEYS, line, SYNTAX)).resolves.toEqual([]);
  });
});
