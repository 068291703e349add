import { ENVIRONMENT } from '../config/environment-names.js';
import { mauthOptionsFromEnv } from '../config/environment.js';
import { type MAuthOptions } from '../config/options.js';
import { isServiceUrl, parseSignVersions } from '../config/settings.js';
import { isAppUuid } from '../protocol/headers.js';
import { optionsFromFile } from './configuration-file.js';
import { wrongConfiguration, wrongUsage } from './exit-codes.js';

/** The flags that each command takes. */
export interface CommonFlags {
  readonly appUuid?: string;
  /** Path of the private key. */
  readonly key?: string;
  readonly mauthUrl?: string;
  readonly config?: string;
  readonly section?: string;
  readonly color?: boolean;
  readonly signVersions?: string;
}

/** What a command cannot do without. */
export type Needed = 'appUuid' | 'privateKey' | 'mauthUrl';

/** Options of which those needed are there. */
export type Configuration = MAuthOptions & { logAttempts: false };

/**
 * Puts the configuration together: flags before environment before file. Where nothing says otherwise, `v1,v2` is
 * signed, which every receiver understands.
 *
 * @throws CommandFailure that says what is missing or wrong, and where it can be set
 */
export async function readConfiguration(
  flags: CommonFlags,
  needed: readonly Needed[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Configuration> {
  const fromFlags = optionsFromFlags(flags);
  const fromEnv = fromEnvironment(env);
  const options = [await optionsFromFile(flags, env), fromEnv, fromFlags].reduce(withPriority, {});
  for (const name of needed) {
    const isThere = options[name] !== undefined || (name === 'privateKey' && options.privateKeyFile);
    if (!isThere) throw wrongConfiguration(MISSING[name]);
  }
  return {
    signVersions: 'v1,v2',
    ...options,
    appUuid: options.appUuid ?? '',
    logAttempts: false,
    logger: SILENT,
  };
}

/** Commands say themselves what happened. */
const SILENT = { log: () => undefined, warn: () => undefined, error: () => undefined };

const MISSING: Readonly<Record<Needed, string>> = {
  appUuid: `No app UUID: set --app-uuid, ${ENVIRONMENT.appUuid[0]}, or app_uuid in mauth.yml.`,
  privateKey:
    `No private key: set --key, ${ENVIRONMENT.privateKeyFile[0]}, or private_key_file in mauth.yml ` +
    '("mauth keygen" makes one).',
  mauthUrl: `No MAuth service: set --mauth-url, ${ENVIRONMENT.mauthUrl[0]}, or mauth_baseurl in mauth.yml.`,
};

function withPriority(lower: Partial<MAuthOptions>, higher: Partial<MAuthOptions>): Partial<MAuthOptions> {
  const merged = { ...lower, ...higher };
  // The two name one thing: that of the higher priority counts.
  if (higher.privateKeyFile) delete merged.privateKey;
  else if (higher.privateKey) delete merged.privateKeyFile;
  return merged;
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Partial<MAuthOptions> {
  // What an application does with requests that come in is none of the command line's business.
  const { mode: _mode, ...options } = mauthOptionsFromEnv(env);
  return options;
}

function optionsFromFlags({ appUuid, key, mauthUrl, signVersions }: CommonFlags): Partial<MAuthOptions> {
  if (appUuid !== undefined && !isAppUuid(appUuid)) {
    throw wrongUsage('--app-uuid must be a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.');
  }
  if (mauthUrl !== undefined && !isServiceUrl(mauthUrl)) {
    throw wrongUsage('--mauth-url must be a URL such as https://mauth.example.com.');
  }
  const versions = signVersions === undefined ? undefined : parseSignVersions(signVersions);
  if (signVersions !== undefined && !versions) throw wrongUsage('--sign-versions must be v1, v2 or v1,v2.');
  return {
    ...(appUuid === undefined ? {} : { appUuid }),
    ...(key === undefined ? {} : { privateKeyFile: key }),
    ...(mauthUrl === undefined ? {} : { mauthUrl }),
    ...(versions ? { signVersions: versions } : {}),
  };
}
