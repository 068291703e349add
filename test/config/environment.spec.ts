import { MAuthConfigurationError, mauthOptionsFromEnv, MAuthSigner } from '../../lib/core.js';
import { createTestApp } from '../support/test-app.js';

const app = createTestApp();
const UUID = app.appUuid;
const OTHER = '00000000-0000-4000-8000-000000000001';

const malformed = (variable: string, accepts: string) =>
  expect.objectContaining({
    name: 'MAuthConfigurationError',
    code: 'configuration',
    message: `The environment variable ${variable} must be ${accepts}; correct or unset it.`,
  });

const TRUTH = [
  ['true', true],
  ['TRUE', true],
  ['True', true],
  ['false', false],
  ['FALSE', false],
] as [string, unknown][];
const NO_TRUTH = [
  '1',
  '0',
  'yes',
  'no',
  'on',
  'tru',
  't rue',
  'null',
  'constructor',
  '__proto__',
  'toString',
];
const A_UUID = 'a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const A_URL = 'an https URL such as https://mauth.example.com';

interface Row {
  option: string;
  variables: string[];
  good: [string, unknown][];
  bad: string[];
  accepts: string;
}

const TABLE: Row[] = [
  {
    option: 'appUuid',
    variables: ['APP_UUID', 'MAUTH_APP_UUID', 'APP_MAUTH_UUID'],
    good: [
      [UUID, UUID],
      [UUID.toUpperCase(), UUID.toUpperCase()],
    ],
    bad: ['x', `${UUID} x`, `{${UUID}}`, UUID.replaceAll('-', '')],
    accepts: A_UUID,
  },
  {
    option: 'privateKey',
    variables: ['PRIVATE_KEY', 'MAUTH_PRIVATE_KEY', 'APP_MAUTH_PRIVATE_KEY'],
    good: [
      [app.privateKeyPem, app.privateKeyPem.trim()],
      ['any ciphertext', 'any ciphertext'],
    ],
    bad: [],
    accepts: 'any text',
  },
  {
    option: 'privateKeyFile',
    variables: ['MAUTH_PRIVATE_KEY_FILE'],
    good: [['/run/secrets/mauth.pem', '/run/secrets/mauth.pem']],
    bad: [],
    accepts: 'any text',
  },
  {
    option: 'mauthUrl',
    variables: ['MAUTH_URL'],
    good: [
      ['https://mauth.example.com', 'https://mauth.example.com'],
      ['http://localhost:4567/base', 'http://localhost:4567/base'],
    ],
    bad: [
      'mauth.example.com',
      'ftp://mauth.example.com',
      'https://a:b@example.com',
      'https://x?y',
      'https://x#y',
      'https://x /',
    ],
    accepts: A_URL,
  },
  {
    option: 'apiVersion',
    variables: ['MAUTH_API_VERSION'],
    good: [
      ['v1', 'v1'],
      ['v2.1-beta_3', 'v2.1-beta_3'],
    ],
    bad: ['v1/..', '..', '.', 'v 1', '%2e%2e', 'v1\nv2'],
    accepts: 'a version such as v1',
  },
  {
    option: 'mode',
    variables: ['MAUTH_MODE'],
    good: [
      ['local', 'local'],
      ['remote', 'remote'],
      ['Remote', 'remote'],
    ],
    bad: ['both', 'loca', 'lo cal'],
    accepts: 'local or remote',
  },
  {
    option: 'signVersions',
    variables: ['MAUTH_SIGN_VERSIONS'],
    good: [
      ['v1', 'v1'],
      ['v2', 'v2'],
      ['v1,v2', 'v1,v2'],
      ['v2,v1', 'v1,v2'],
      [' V1 , V2 ', 'v1,v2'],
    ],
    bad: ['v3', 'v1,', ',', 'v1 v2 v3', 'v1,v1', '1', 'constructor'],
    accepts: 'v1, v2 or v1,v2',
  },
  {
    option: 'v2OnlyAuthenticate',
    variables: ['V2_ONLY_AUTHENTICATE', 'MAUTH_V2_ONLY_AUTHENTICATE'],
    good: TRUTH,
    bad: NO_TRUTH,
    accepts: 'true or false',
  },
  {
    option: 'disableFallbackToV1',
    variables: ['MAUTH_DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE', 'DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE'],
    good: TRUTH,
    bad: NO_TRUTH,
    accepts: 'true or false',
  },
  {
    option: 'service',
    variables: ['MAUTH_ALLOW_HTTP'],
    good: TRUTH.map(([text, value]) => [text, { allowHttp: value }]),
    bad: NO_TRUTH,
    accepts: 'true or false',
  },
];
/** What shells, files and editors leave around a value. */
const AROUND: readonly [string, string][] = [
  [' ', ''],
  ['', ' '],
  ['', '\n'],
  ['', '\r\n'],
  ['\t', ' \t'],
  ['\ufeff', '\u00a0'],
];

describe.each(TABLE)(
  'The option $option from the environment',
  ({ option, variables, good, bad, accepts }) => {
    const read = (env: Record<string, string | undefined>) =>
      (mauthOptionsFromEnv(env) as unknown as Record<string, unknown>)[option];

    describe.each(variables)('variable %s', (variable) => {
      it.each(good)('set to %j', (value, expected) => {
        expect(mauthOptionsFromEnv({ [variable]: value })).toEqual({ [option]: expected });
      });

      it.each(AROUND)('with %j before it and %j behind it', (before, behind) => {
        for (const [value, expected] of good) {
          const trimmed = typeof expected === 'string' ? expected.trim() : expected;
          expect(mauthOptionsFromEnv({ [variable]: before + value + behind })).toEqual({ [option]: trimmed });
        }
      });

      it.each(['', ' ', '\n', ' \r\n\t'])('empty (%j) is unset', (nothing) => {
        expect(mauthOptionsFromEnv({ [variable]: nothing })).toEqual({});
      });

      it('undefined is unset', () => {
        expect(mauthOptionsFromEnv({ [variable]: undefined })).toEqual({});
      });

      if (bad.length > 0) {
        it.each(bad)('malformed as %j is an error that names it', (value) => {
          expect(() => mauthOptionsFromEnv({ [variable]: value })).toThrow(malformed(variable, accepts));
          expect(() => mauthOptionsFromEnv({ [variable]: value })).toThrow(MAuthConfigurationError);
        });
      }
    });

    const [[first, expectedFirst], [second, expectedSecond]] = [good[0], good.at(-1)] as [
      [string, unknown],
      [string, unknown],
    ];

    it('is that of the first variable that is set and not empty', () => {
      for (const [index, winner] of variables.entries()) {
        const losers = Object.fromEntries(variables.slice(index + 1).map((name) => [name, second]));
        const empty = Object.fromEntries(variables.slice(0, index).map((name) => [name, ' ']));
        expect(read({ ...losers, [winner]: first })).toEqual(expectedFirst);
        expect(read({ ...losers, ...empty, [winner]: second })).toEqual(expectedSecond);
      }
    });

    it('is not read from a malformed alias behind a good one', () => {
      const env = Object.fromEntries(
        variables.map((name, index) => [name, index === 0 ? first : 'malformed']),
      );
      expect(read(env)).toEqual(expectedFirst);
    });
  },
);

describe('The private key from the environment', () => {
  it.each([['PRIVATE_KEY'], ['MAUTH_PRIVATE_KEY'], ['APP_MAUTH_PRIVATE_KEY']])(
    '%s wins over its file',
    (name) => {
      expect(mauthOptionsFromEnv({ [name]: 'key', MAUTH_PRIVATE_KEY_FILE: 'file' })).toEqual({
        privateKey: 'key',
      });
    },
  );

  it.each<[string, string]>([
    ['with line feeds', app.privateKeyPem],
    ['with literal \\n', app.privateKeyPem.replaceAll('\n', '\\n')],
    ['on one line', app.privateKeyPem.replaceAll('\n', ' ')],
    ['on one line without spaces', app.privateKeyPem.replaceAll('\n', '')],
    ['in base64', Buffer.from(app.privateKeyPem).toString('base64')],
    ['in quotes', `"${app.privateKeyPem.replaceAll('\n', '\\n')}"`],
    ['in base64 without header and footer', app.privateKeyPem.replaceAll(/-----.*-----|\n/g, '')],
    ['behind Bag Attributes', `Bag Attributes\n    localKeyID: 01\n${app.privateKeyPem}`],
  ])('%s makes a signer', async (_, text) => {
    const env = { APP_UUID: UUID, PRIVATE_KEY: text, MAUTH_SIGN_VERSIONS: 'v2' };
    const signer = new MAuthSigner(mauthOptionsFromEnv(env));
    const headers = await signer.signRequest({ method: 'GET', url: '/' });
    expect(headers['MCC-Authentication']).toMatch(new RegExp(`^MWSV2 ${UUID}:`));
  });
});

describe.each([
  ['MAUTH_V2_ONLY_SIGN_REQUESTS', 'MAUTH_V1_ONLY_SIGN_REQUESTS'],
  ['V2_ONLY_SIGN_REQUESTS', 'V1_ONLY_SIGN_REQUESTS'],
  ['V2_ONLY_SIGN_REQUESTS', 'MAUTH_V1_ONLY_SIGN_REQUESTS'],
])("The versions to sign with, from Ruby's variables %s and %s", (v2, v1) => {
  it.each<[string, Record<string, string>, string | undefined]>([
    ['neither', {}, undefined],
    ['only V2', { [v2]: 'true' }, 'v2'],
    ['not only V2', { [v2]: 'false' }, undefined],
    ['only V1', { [v1]: 'true' }, 'v1'],
    ['not only V1', { [v1]: 'false' }, 'v1,v2'],
    ['only V2 and not only V1', { [v2]: 'TRUE', [v1]: 'False' }, 'v2'],
    ['only V1 and not only V2', { [v2]: 'false', [v1]: 'true' }, 'v1'],
    ['neither of them only', { [v2]: 'false', [v1]: 'false' }, 'v1,v2'],
    ['both empty', { [v2]: '', [v1]: '' }, undefined],
    ['both of white space', { [v2]: ' ', [v1]: '\n' }, undefined],
    ['V1 empty', { [v1]: '' }, undefined],
    ['V2 empty, only V1', { [v2]: '', [v1]: 'true' }, 'v1'],
    ['only V2, V1 empty', { [v2]: 'true', [v1]: '' }, 'v2'],
    ['V2 empty, V1 not only', { [v2]: '', [v1]: 'false' }, 'v1,v2'],
    ['with white space behind', { [v2]: 'true\n', [v1]: 'false ' }, 'v2'],
  ])('%s', (_, env, expected) => {
    expect(mauthOptionsFromEnv(env).signVersions).toBe(expected);
  });

  it('are contradictory when both are true, and the error says what to set instead', () => {
    expect(() => mauthOptionsFromEnv({ [v2]: 'true', [v1]: 'true' })).toThrow(
      `The environment variables ${v2} and ${v1} must not both be true; ` +
        'set MAUTH_SIGN_VERSIONS to v1, v2 or v1,v2 instead.',
    );
  });

  it('do not count where MAUTH_SIGN_VERSIONS is set', () => {
    const env = { MAUTH_SIGN_VERSIONS: 'v1', [v2]: 'true', [v1]: 'true' };
    expect(mauthOptionsFromEnv(env).signVersions).toBe('v1');
    expect(mauthOptionsFromEnv({ MAUTH_SIGN_VERSIONS: '', [v2]: 'true' }).signVersions).toBe('v2');
  });

  describe.each([v2, v1])('%s', (variable) => {
    it.each(NO_TRUTH)('malformed as %j is an error that names it', (value) => {
      expect(() => mauthOptionsFromEnv({ [variable]: value })).toThrow(malformed(variable, 'true or false'));
    });
  });
});

describe("Ruby's older variables", () => {
  it.each([
    ['V2_ONLY_SIGN_REQUESTS', 'signVersions', undefined],
    ['V1_ONLY_SIGN_REQUESTS', 'signVersions', 'v1,v2'],
    ['DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE', 'disableFallbackToV1', false],
  ])('%s stands behind the one with the prefix', (older, option, expected) => {
    const options = mauthOptionsFromEnv({ [older]: 'true', [`MAUTH_${older}`]: 'false' });
    expect((options as unknown as Record<string, unknown>)[option]).toBe(expected);
  });
});

describe('The environment', () => {
  const NAMES = TABLE.flatMap(({ variables }) => variables);
  const saved = { ...process.env };
  afterEach(() => {
    process.env = { ...saved };
  });

  it('is that of the process unless another one is given', () => {
    for (const name of NAMES) delete process.env[name];
    process.env.APP_MAUTH_UUID = OTHER;
    expect(mauthOptionsFromEnv()).toEqual({ appUuid: OTHER });
    expect(mauthOptionsFromEnv({})).toEqual({});
  });

  it('gives everything at once', () => {
    expect(
      mauthOptionsFromEnv({
        APP_UUID: UUID,
        PRIVATE_KEY: 'key',
        MAUTH_URL: 'https://mauth.example.com',
        MAUTH_API_VERSION: 'v2',
        MAUTH_MODE: 'remote',
        MAUTH_SIGN_VERSIONS: 'v1,v2',
        V2_ONLY_AUTHENTICATE: 'true',
        MAUTH_DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE: 'true',
        MAUTH_ALLOW_HTTP: 'true',
      }),
    ).toEqual({
      appUuid: UUID,
      privateKey: 'key',
      mauthUrl: 'https://mauth.example.com',
      apiVersion: 'v2',
      mode: 'remote',
      signVersions: 'v1,v2',
      v2OnlyAuthenticate: true,
      disableFallbackToV1: true,
      service: { allowHttp: true },
    });
  });

  it('says so where a value that cannot be read stands in quotes', () => {
    for (const quoted of [`"${UUID}"`, `'${UUID}'`]) {
      expect(() => mauthOptionsFromEnv({ APP_UUID: quoted })).toThrow(
        `The environment variable APP_UUID must be ${A_UUID}; correct or unset it. Its value stands in quotes: remove them.`,
      );
    }
  });

  it('does not repeat a malformed value, which may be a secret in the wrong place', () => {
    try {
      mauthOptionsFromEnv({ APP_UUID: app.privateKeyPem });
      throw new Error('not reached');
    } catch (error) {
      expect((error as Error).message).toBe(
        `The environment variable APP_UUID must be ${A_UUID}; correct or unset it.`,
      );
    }
  });
});
