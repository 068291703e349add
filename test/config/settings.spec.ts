import { Agent } from 'node:https';
import { MAuthConfigurationError, type MAuthOptions } from '../../lib/core.js';
import { parseSignVersions, resolveSettings } from '../../lib/config/settings.js';
import { createTestApp } from '../support/test-app.js';

const app = createTestApp();
const GOOD = { appUuid: app.appUuid, privateKey: app.privateKeyPem };
const resolve = (options: unknown) => resolveSettings(options as MAuthOptions);
const resolveWith = (change: Record<string, unknown>) => resolve({ ...GOOD, ...change });

const SIGN_VERSIONS = 'must be v1, v2 or v1,v2.';
const UUID = 'must be a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.';
const URL_TEXT = 'must be a URL such as https://mauth.example.com, without credentials, query and fragment.';

describe('Options', () => {
  it('have these defaults', () => {
    expect(resolve(GOOD)).toEqual({
      appUuid: app.appUuid,
      mauthUrl: undefined,
      apiVersion: 'v1',
      mode: 'local',
      signVersions: 'v1',
      v2OnlyAuthenticate: false,
      disableFallbackToV1: false,
      apps: {},
      allowedDriftSeconds: 300,
      pathPolicy: 'strict',
      isPathPolicySet: false,
      responses: { sign: false, maxBytes: 1024 * 1024, compress: true },
      undecidedStatus: 503,
      logAttempts: true,
      logger: console,
      observers: [],
      explainFailures: false,
      now: expect.any(Function),
      keys: expect.objectContaining({
        maxEntries: 10_000,
        staleIfErrorSeconds: 3600,
        cooldownSeconds: 10,
        negativeSeconds: 60,
      }),
      service: { deadlineMs: 3000, maxOpenFetches: 50, allowHttp: false },
      body: { maxHeldBytes: 10_485_760, maxHeldBytesTotal: 134_217_728, timeoutMs: 30_000 },
    });
  });

  it('are kept where they are given', () => {
    const logger = { log() {}, warn() {}, error() {} };
    const agent = new Agent();
    const secondLevel = { get: async () => undefined, set: async () => undefined };
    const findPublicKey = () => undefined;
    const requestTarget = () => '/';
    const now = () => 1;
    const given = {
      mauthUrl: 'https://mauth.example.com/base',
      apiVersion: 'v2',
      mode: 'remote',
      signVersions: 'v1,v2',
      v2OnlyAuthenticate: true,
      disableFallbackToV1: true,
      apps: { rave: app.appUuid },
      allowedDriftSeconds: 900,
      pathPolicy: 'protocol',
      requestTarget,
      undecidedStatus: 500,
      logAttempts: false,
      logger,
      findPublicKey,
      now,
    };
    const settings = resolveWith({
      ...given,
      keys: { maxEntries: 1, staleIfErrorSeconds: 0, cooldownSeconds: 1, negativeSeconds: 1, secondLevel },
      service: { deadlineMs: 1, maxOpenFetches: 1, allowHttp: true, agent },
      body: { maxHeldBytes: 0, maxHeldBytesTotal: 0, timeoutMs: 1 },
    });
    expect(settings).toMatchObject(given);
    expect(settings.logger).toBe(logger);
    expect(settings.service).toEqual({ deadlineMs: 1, maxOpenFetches: 1, allowHttp: true });
    expect(settings.service.agent).toBe(agent); // Not among what is shown: it may hold a client key.
    expect(settings.keys.secondLevel).toBe(secondLevel);
    expect(settings.keys).toMatchObject({
      maxEntries: 1,
      staleIfErrorSeconds: 0,
      cooldownSeconds: 1,
      negativeSeconds: 1,
    });
    expect(settings.body).toEqual({ maxHeldBytes: 0, maxHeldBytesTotal: 0, timeoutMs: 1 });
  });

  it('are frozen, also within, and no longer those that were given', () => {
    const apps = { rave: app.appUuid };
    const settings = resolveWith({ apps });
    for (const part of [settings, settings.apps, settings.keys, settings.service, settings.body]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    apps.rave = 'changed';
    expect(settings.apps.rave).toBe(app.appUuid);
  });

  it('hold no private key afterwards', () => {
    const settings = resolveWith({ decryptPrivateKey: async () => '', responses: {} });
    for (const name of ['privateKey', 'privateKeyFile', 'decryptPrivateKey']) {
      expect(settings).not.toHaveProperty(name);
    }
  });

  it('know nothing of `http`, which is an option of the Nest module', () => {
    expect(() => resolveWith({ http: { timeout: 1 } })).toThrow(/`http` is not an option/);
  });

  it.each([
    ['https://mauth.example.com/', 'https://mauth.example.com'],
    ['https://mauth.example.com///', 'https://mauth.example.com'],
    ['https://mauth.example.com/a/b/', 'https://mauth.example.com/a/b'],
    ['http://127.0.0.1:1', 'http://127.0.0.1:1'],
  ])('give the URL %s without slashes at its end', (given, mauthUrl) => {
    expect(resolveWith({ mauthUrl: given }).mauthUrl).toBe(mauthUrl);
  });

  it.each<[string, unknown, string]>([
    ['appUuid', 'x', `(environment: APP_UUID, MAUTH_APP_UUID, APP_MAUTH_UUID) ${UUID}`],
    ['appUuid', 7, `(environment: APP_UUID, MAUTH_APP_UUID, APP_MAUTH_UUID) ${UUID}`],
    [
      'privateKey',
      7,
      '(environment: PRIVATE_KEY, MAUTH_PRIVATE_KEY, APP_MAUTH_PRIVATE_KEY) must be text or a KeyObject.',
    ],
    [
      'privateKey',
      '',
      '(environment: PRIVATE_KEY, MAUTH_PRIVATE_KEY, APP_MAUTH_PRIVATE_KEY) must be text or a KeyObject.',
    ],
    ['privateKeyFile', 7, '(environment: MAUTH_PRIVATE_KEY_FILE) must be text.'],
    ['decryptPrivateKey', 'x', 'must be a function.'],
    ['mauthUrl', 'mauth.example.com', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 7, `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'ftp://mauth.example.com', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'https://user@example.com', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'https://:word@example.com', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'https://example.com?', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'https://example.com#', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'https://example.com/a b', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['mauthUrl', 'xhttps://example.com', `(environment: MAUTH_URL) ${URL_TEXT}`],
    ['apiVersion', '../v1', '(environment: MAUTH_API_VERSION) must be a version such as v1.'],
    ['apiVersion', '..', '(environment: MAUTH_API_VERSION) must be a version such as v1.'],
    ['apiVersion', '', '(environment: MAUTH_API_VERSION) must be a version such as v1.'],
    ['apiVersion', 1, '(environment: MAUTH_API_VERSION) must be a version such as v1.'],
    ['mode', 'both', '(environment: MAUTH_MODE) must be local or remote.'],
    ['signVersions', 'v3', `(environment: MAUTH_SIGN_VERSIONS) ${SIGN_VERSIONS}`],
    ['signVersions', '', `(environment: MAUTH_SIGN_VERSIONS) ${SIGN_VERSIONS}`],
    ['signVersions', ['v1'], `(environment: MAUTH_SIGN_VERSIONS) ${SIGN_VERSIONS}`],
    [
      'v2OnlyAuthenticate',
      'true',
      '(environment: V2_ONLY_AUTHENTICATE, MAUTH_V2_ONLY_AUTHENTICATE) must be true or false.',
    ],
    [
      'disableFallbackToV1',
      1,
      '(environment: MAUTH_DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE, DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE) ' +
        'must be true or false.',
    ],
    ['apps', 'rave', 'must map names to app UUIDs.'],
    ['allowedDriftSeconds', 0, 'must be a whole number from 1 to 900.'],
    ['allowedDriftSeconds', 901, 'must be a whole number from 1 to 900.'],
    ['allowedDriftSeconds', 1.5, 'must be a whole number from 1 to 900.'],
    ['allowedDriftSeconds', '300', 'must be a whole number from 1 to 900.'],
    ['allowedDriftSeconds', NaN, 'must be a whole number from 1 to 900.'],
    ['pathPolicy', 'lax', 'must be strict or protocol.'],
    ['requestTarget', '/', 'must be a function.'],
    ['undecidedStatus', 502, 'must be 503 or 500.'],
    ['logAttempts', 'no', 'must be true or false.'],
    ['logger', { log() {}, warn() {} }, 'must be an object with the methods log, warn, error.'],
    ['logger', null, 'must be an object with the methods log, warn, error.'],
    ['observers', {}, 'must be a list of observers.'],
    ['explainFailures', 'yes', 'must be true, false or force.'],
    ['findPublicKey', app.publicKeyPem, 'must be a function.'],
    ['now', 7, 'must be a function.'],
    ['keys', 7, 'must be an object.'],
    ['service', 'x', 'must be an object.'],
    ['body', false, 'must be an object.'],
  ])('name %s when it is %p, and what it must be', (option, value, remedy) => {
    expect(() => resolveWith({ [option]: value })).toThrow(MAuthConfigurationError);
    expect(() => resolveWith({ [option]: value })).toThrow(
      expect.objectContaining({ message: `MAuth option \`${option}\` ${remedy}` }),
    );
  });

  it.each<[string, string, unknown, string]>([
    ['keys', 'maxEntries', 0, 'must be a whole number of 1 or more.'],
    ['keys', 'staleIfErrorSeconds', -1, 'must be a whole number of 0 or more.'],
    ['keys', 'cooldownSeconds', 0, 'must be a whole number of 1 or more.'],
    ['keys', 'negativeSeconds', Infinity, 'must be a whole number of 1 or more.'],
    ['keys', 'secondLevel', { get() {} }, 'must be an object with the methods get, set.'],
    ['keys', 'secondLevel', 'redis', 'must be an object with the methods get, set.'],
    ['service', 'deadlineMs', 0, 'must be a whole number of 1 or more.'],
    ['service', 'maxOpenFetches', 0, 'must be a whole number of 1 or more.'],
    ['service', 'allowHttp', 'yes', '(environment: MAUTH_ALLOW_HTTP) must be true or false.'],
    ['service', 'agent', 7, 'must be an agent of node:http or node:https.'],
    ['body', 'maxHeldBytes', -1, 'must be a whole number of 0 or more.'],
    ['body', 'maxHeldBytesTotal', 0.5, 'must be a whole number of 0 or more.'],
    ['body', 'timeoutMs', 0, 'must be a whole number of 1 or more.'],
    ['body', 'timeout', 1, 'is not an option; remove it or correct its name.'],
    ['apps', 'rave', 'x', UUID],
  ])('name %s.%s when it is %p, and what it must be', (group, option, value, remedy) => {
    expect(() => resolveWith({ [group]: { [option]: value } })).toThrow(
      expect.objectContaining({ message: `MAuth option \`${group}.${option}\` ${remedy}` }),
    );
  });

  it.each(['appUUID', 'private_key', 'secret', 'toString'])('refuse %s, which is unknown', (name) => {
    expect(() => resolveWith({ [name]: 'x' })).toThrow(
      expect.objectContaining({
        message: `MAuth option \`${name}\` is not an option; remove it or correct its name.`,
      }),
    );
  });

  it('name all that is wrong at once', () => {
    expect(() => resolveWith({ mode: 'x', pathPolicy: 'y' })).toThrow(
      'MAuth option `mode` (environment: MAUTH_MODE) must be local or remote. ' +
        'MAuth option `pathPolicy` must be strict or protocol.',
    );
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty object', {}],
  ])('are required: %s says so', (_, options) => {
    expect(() => resolve(options)).toThrow(
      expect.objectContaining({
        message:
          'MAuth option `appUuid` (environment: APP_UUID, MAUTH_APP_UUID, APP_MAUTH_UUID) is required; set it.',
      }),
    );
  });

  it.each(['text', 7, true])('must be an object: %p is none', (options) => {
    expect(() => resolve(options)).toThrow(
      expect.objectContaining({
        name: 'MAuthConfigurationError',
        message: 'The options of MAuth must be an object.',
      }),
    );
  });

  it('need a private key, or keys of others from somewhere else', () => {
    const { appUuid } = app;
    expect(() => resolve({ appUuid })).toThrow(
      'MAuth option `privateKey` (environment: PRIVATE_KEY, MAUTH_PRIVATE_KEY, APP_MAUTH_PRIVATE_KEY) ' +
        'or `privateKeyFile` is required to sign; set one of them.',
    );
    expect(resolve({ appUuid, privateKeyFile: 'x' }).appUuid).toBe(appUuid);
    expect(resolve({ appUuid, findPublicKey: () => undefined }).appUuid).toBe(appUuid);
  });

  it('need a private key in remote mode also where `findPublicKey` is set, for questions are signed', () => {
    const remote = { appUuid: app.appUuid, findPublicKey: () => undefined, mode: 'remote' };
    expect(() => resolve({ ...remote, mauthUrl: 'https://mauth.example.com' })).toThrow(/`privateKey`/);
  });

  it('take one private key, not two', () => {
    expect(() => resolveWith({ privateKeyFile: 'x' })).toThrow(
      'and `privateKeyFile` are both set; keep one of them.',
    );
  });

  it('never quote what they refuse', () => {
    for (const name of ['appUuid', 'mauthUrl', 'mode', 'signVersions', 'allowedDriftSeconds', 'logger']) {
      expect(() => resolveWith({ [name]: 'tell-nobody' })).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('tell-nobody') }),
      );
    }
  });
});

describe('The versions to sign with', () => {
  it.each([
    ['v1', 'v1'],
    ['V2', 'v2'],
    ['v1,v2', 'v1,v2'],
    ['v2,v1', 'v1,v2'],
    ['\tV1 ,\nv2 ', 'v1,v2'],
    ['', undefined],
    ['v1,v2,v1', undefined],
    ['v12', undefined],
    ['v1v2', undefined],
    ['toString', undefined],
    ['__proto__', undefined],
  ])('written as %j are %s', (text, versions) => {
    expect(parseSignVersions(text)).toBe(versions);
  });
});
