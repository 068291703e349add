import { KeyObject } from 'node:crypto';
import { type Agent } from 'node:http';
import * as v from 'valibot';
import { ENVIRONMENT } from './environment-names.js';
import { MAuthConfigurationError } from './errors.js';
import { type MAuthObserver } from './observer.js';
import {
  type MAuthLogger,
  type MAuthOptions,
  type MAuthReplayStore,
  type MAuthSecondLevelCache,
  type MAuthSettings,
  type MAuthSignVersions,
} from './options.js';
import { isAppUuid } from '../protocol/headers.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

const MEBIBYTE = 1024 * 1024;
const SIGN_VERSIONS: Readonly<Record<string, MAuthSignVersions>> = {
  v1: 'v1',
  v2: 'v2',
  'v1,v2': 'v1,v2',
  'v2,v1': 'v1,v2',
};

/** Reads `signVersions` in any case and with any spaces; undefined when it is none of the accepted values. */
export function parseSignVersions(value: string): MAuthSignVersions | undefined {
  const key = value.toLowerCase().replace(/\s+/g, '');
  return Object.hasOwn(SIGN_VERSIONS, key) ? SIGN_VERSIONS[key] : undefined;
}

/** Whether the text is a URL that the MAuth service can have: http(s), without credentials, query or fragment. */
export function isServiceUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && !username && !password && !/[?#\s]/.test(value);
}

/** Whether the text is a version of the MAuth service's API: one segment of a path, and no dots alone. */
export function isApiVersion(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value);
}

/**
 * Checks options and fills in defaults. The result is frozen and holds no private key, so it may be shown and logged.
 *
 * @throws MAuthConfigurationError that names the option, its environment variables, and what it accepts
 */
export function resolveSettings(options: MAuthOptions): MAuthSettings {
  const result = v.safeParse(SCHEMA, written(options ?? {}));
  if (!result.success) throw new MAuthConfigurationError(result.issues.map(explain).join(' '));
  const settings = ownProperties(result.output);
  const { privateKey, privateKeyFile, decryptPrivateKey: _decrypt, ...others } = settings;
  const rest = ownProperties(others);
  if (privateKey && privateKeyFile)
    throw wrong('privateKey', 'and `privateKeyFile` are both set; keep one of them.');
  // In remote mode the MAuth service is asked even where `findPublicKey` is set, and what it is asked must be signed.
  if (!privateKey && !privateKeyFile && (!rest.findPublicKey || rest.mode === 'remote')) {
    throw wrong('privateKey', 'or `privateKeyFile` is required to sign; set one of them.');
  }
  // V1 does not cover the query, so a V1 signature stands for more than one request.
  if (rest.replayProtection && !rest.v2OnlyAuthenticate) {
    throw wrong(
      'replayProtection',
      'needs `v2OnlyAuthenticate: true`; set it, or leave `replayProtection` out.',
    );
  }
  if (!privateKey && !privateKeyFile && rest.responses.sign) {
    throw wrong('privateKey', 'or `privateKeyFile` is required for `responses.sign`; set one of them.');
  }
  return frozen(rest);
}

const optionalText = v.optional(v.string('must be text.'));
const flag = (byDefault: boolean) => v.optional(v.boolean('must be true or false.'), byDefault);
const uuid = v.custom<string>(isAppUuid, 'must be a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.');
const anyFunction = <T>() =>
  v.optional(v.custom<T>((value) => typeof value === 'function', 'must be a function.'));
const isObject = (value: unknown) => typeof value === 'object' && value !== null;

/** A whole number between two bounds. */
function whole(byDefault: number, least: number, most = Number.MAX_SAFE_INTEGER) {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  const accepts = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return v.optional(v.custom<number>(accepts, `must be a whole number ${bounds}.`), byDefault);
}

const methods = <T>(...names: string[]) =>
  v.custom<T>(
    (value) => isObject(value) && names.every((name) => typeof ownProperty(value, name) === 'function'),
    `must be an object with the methods ${names.join(', ')}.`,
  );

const OBSERVER_METHODS = ['authenticated', 'signed', 'keyFetched'] satisfies (keyof MAuthObserver)[];
const OBSERVER_WANTED = `must be an object with some of the methods ${OBSERVER_METHODS.join(', ')}.`;

function isObserver(value: unknown): boolean {
  if (!isObject(value)) return false;
  const found = OBSERVER_METHODS.map((name) => ownProperty(value, name)).filter(
    (method) => method !== undefined,
  );
  return found.length > 0 && found.every((method) => typeof method === 'function');
}

function isSwitch(value: unknown): boolean {
  return typeof value === 'boolean' || value === 'force';
}

const KEYS = v.strictObject({
  maxEntries: whole(10_000, 1),
  staleIfErrorSeconds: whole(3600, 0),
  cooldownSeconds: whole(10, 1),
  negativeSeconds: whole(60, 1),
  secondLevel: v.optional(methods<MAuthSecondLevelCache>('get', 'set')),
  warmUp: v.optional(v.array(uuid, 'must be a list of app UUIDs.'), []),
});

const SERVICE = v.strictObject({
  deadlineMs: whole(3000, 1),
  maxOpenFetches: whole(50, 1),
  allowHttp: flag(false),
  agent: v.optional(v.custom<Agent>(isObject, 'must be an agent of node:http or node:https.')),
});

const BODY = v.strictObject({
  maxHeldBytes: whole(10 * MEBIBYTE, 0),
  maxHeldBytesTotal: whole(128 * MEBIBYTE, 0),
  timeoutMs: whole(30_000, 1),
});

const METHOD_WANTED = 'must be a method in upper case such as POST.';
const isUpperCaseMethod = (value: unknown) => typeof value === 'string' && /^[A-Z]+$/.test(value);

const REPLAY = v.strictObject({
  methods: v.optional(
    v.pipe(
      v.array(v.custom<string>(isUpperCaseMethod, METHOD_WANTED), 'must be a list of methods such as POST.'),
      v.nonEmpty('must name at least one method; leave it out for the default.'),
    ),
    ['POST', 'PUT', 'PATCH', 'DELETE'],
  ),
  maxEntries: whole(100_000, 1),
  store: v.optional(methods<MAuthReplayStore>('remember')),
});

const RESPONSES = v.strictObject({
  sign: flag(false),
  maxBytes: whole(MEBIBYTE, 0),
  compress: flag(true),
});

const SCHEMA = v.strictObject({
  appUuid: uuid,
  privateKey: v.optional(
    v.custom<string | KeyObject>(
      (value) => (typeof value === 'string' && value !== '') || value instanceof KeyObject,
      'must be text or a KeyObject.',
    ),
  ),
  privateKeyFile: optionalText,
  decryptPrivateKey: anyFunction<NonNullable<MAuthOptions['decryptPrivateKey']>>(),
  mauthUrl: v.optional(
    v.custom<string>(
      (value) => typeof value === 'string' && isServiceUrl(value),
      'must be a URL such as https://mauth.example.com, without credentials, query and fragment.',
    ),
  ),
  apiVersion: v.optional(v.custom<string>(isApiVersion, 'must be a version such as v1.'), 'v1'),
  mode: v.optional(v.picklist(['local', 'remote'], 'must be local or remote.'), 'local'),
  signVersions: v.pipe(
    v.optional(v.string('must be v1, v2 or v1,v2.'), 'v1'),
    v.check((value) => parseSignVersions(value) !== undefined, 'must be v1, v2 or v1,v2.'),
    v.transform((value) => parseSignVersions(value) as MAuthSignVersions),
  ),
  v2OnlyAuthenticate: flag(false),
  disableFallbackToV1: flag(false),
  apps: v.optional(v.record(v.string(), uuid, 'must map names to app UUIDs.'), {}),
  allowedDriftSeconds: whole(300, 1, 900),
  pathPolicy: v.optional(v.picklist(['strict', 'protocol'], 'must be strict or protocol.')),
  requestTarget: anyFunction<NonNullable<MAuthOptions['requestTarget']>>(),
  undecidedStatus: v.optional(v.picklist([503, 500], 'must be 503 or 500.'), 503),
  logAttempts: flag(true),
  logger: v.optional(methods<MAuthLogger>('log', 'warn', 'error')),
  observers: v.optional(
    v.array(v.custom<MAuthObserver>(isObserver, OBSERVER_WANTED), 'must be a list of observers.'),
    [],
  ),
  explainFailures: v.pipe(
    v.optional(v.custom<boolean | 'force'>(isSwitch, 'must be true, false or force.'), false),
    v.check(
      (value) => value !== true || process.env.NODE_ENV !== 'production',
      'is for development, and NODE_ENV is production; leave it out, or set it to force.',
    ),
    v.transform((value) => value !== false),
  ),
  findPublicKey: anyFunction<NonNullable<MAuthOptions['findPublicKey']>>(),
  replayProtection: v.optional(
    v.pipe(
      v.unknown(),
      v.transform((value) => (typeof value === 'boolean' ? (value ? {} : undefined) : value)),
      v.optional(REPLAY),
    ),
  ),
  now: anyFunction<() => number>(),
  keys: v.optional(KEYS, {}),
  service: v.optional(SERVICE, {}),
  body: v.optional(BODY, {}),
  responses: v.optional(RESPONSES, {}),
});

// What a schema need not have, such as `fallback`, valibot looks for all the same.
withoutPrototype(SCHEMA);

function withoutPrototype(schema: object): void {
  if (Object.getPrototypeOf(schema) === Object.prototype) Object.setPrototypeOf(schema, null);
  for (const part of Object.values(schema)) if (isObject(part)) withoutPrototype(part);
}

/** The options as they were written, and those in groups as well. */
function written(options: unknown): unknown {
  if (!isObject(options)) return options;
  const all = ownProperties(options) as Record<string, unknown>;
  for (const group of GROUPS) if (isObject(all[group])) all[group] = ownProperties(all[group]);
  return all;
}

const GROUPS = ['apps', 'keys', 'service', 'body', 'replayProtection', 'responses'];

function explain(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  if (path === null) return 'The options of MAuth must be an object.';
  // The issue's own text may quote what it received; only texts written above are repeated.
  if (issue.expected === 'never')
    return wrong(path, 'is not an option; remove it or correct its name.').message;
  if (issue.received === 'undefined') return wrong(path, 'is required; set it.').message;
  return wrong(
    path,
    issue.kind === 'schema' && issue.type === 'strict_object' ? 'must be an object.' : issue.message,
  ).message;
}

function wrong(option: string, remedy: string): MAuthConfigurationError {
  const names: Readonly<Record<string, readonly string[]>> = ENVIRONMENT;
  const variables = Object.hasOwn(names, option) ? ` (environment: ${names[option]?.join(', ')})` : '';
  return new MAuthConfigurationError(`MAuth option \`${option}\`${variables} ${remedy}`);
}

type Checked = Omit<v.InferOutput<typeof SCHEMA>, 'privateKey' | 'privateKeyFile' | 'decryptPrivateKey'>;

function frozen({
  logger = console,
  // Looked up at each call: test frameworks put their clock in the place of `Date` after this file was loaded.
  now = () => Date.now(),
  pathPolicy,
  keys,
  service,
  body,
  responses,
  apps,
  replayProtection,
  mauthUrl,
  requestTarget,
  findPublicKey,
  observers,
  ...rest
}: Checked): MAuthSettings {
  // Each of them is there, also one that is not set, so that none is looked for elsewhere.
  return Object.freeze({
    ...rest,
    mauthUrl: mauthUrl?.replace(/\/+$/, ''),
    requestTarget,
    findPublicKey,
    logger,
    observers: Object.freeze(observers),
    now,
    pathPolicy: pathPolicy ?? 'strict',
    isPathPolicySet: pathPolicy !== undefined,
    keys: Object.freeze(withHidden('secondLevel', keys)),
    service: Object.freeze(withHidden('agent', service)),
    replayProtection: replayProtection && Object.freeze(withHidden('store', replayProtection)),
    body: Object.freeze(body),
    responses: Object.freeze(responses),
    apps: Object.freeze(apps),
  });
}

/** An agent or a store may hold credentials, and settings are made to be shown. */
function withHidden<T extends object>(name: keyof T, options: T): T {
  const value = ownProperty(options, name);
  return Object.defineProperty({ ...options }, name, ownProperties({ value, enumerable: false }));
}
