import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isAppUuid } from '../protocol/headers.js';
import { isApiVersion, isServiceUrl } from '../config/settings.js';
import { type MAuthOptions } from '../config/options.js';
import { wrongConfiguration } from './exit-codes.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the configuration is read from, instead of where it is looked for. */
export interface FileChoice {
  /** A path, instead of the places below. */
  readonly config?: string | undefined;
  /** A section of the file, instead of the one of the environment. */
  readonly section?: string | undefined;
}

/**
 * Options from the YAML file that other MAuth clients read as well: the first of `--config`, `$MAUTH_CONFIG_YML`,
 * `~/.mauth_config.yml`, `config/mauth.yml`, `mauth.yml`. None where there is no such file.
 *
 * @throws CommandFailure that names the file and what is wrong in it
 */
export async function optionsFromFile(choice: FileChoice, env: Environment): Promise<Partial<MAuthOptions>> {
  const path = pathOf(choice.config, env);
  if (path === undefined) {
    if (choice.section === undefined) return {};
    throw wrongConfiguration('--section names a section, and there is no configuration file: set --config.');
  }
  const document = await parsed(path);
  return optionsIn(sectionOf(document, choice.section, env, path), path);
}

function pathOf(config: string | undefined, env: Environment): string | undefined {
  const wanted = config ?? (env.MAUTH_CONFIG_YML?.trim() || undefined);
  if (wanted !== undefined) return wanted;
  const places = [join(homedir(), '.mauth_config.yml'), join('config', 'mauth.yml'), 'mauth.yml'];
  return places.find((place) => existsSync(place));
}

async function parsed(path: string): Promise<Record<string, unknown>> {
  const text = readText(path);
  const { parse } = await import('yaml'); // Only where there is a file.
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    // The error would quote the text, which may hold the key.
    throw wrongConfiguration(`${path} is not a YAML document; correct it.`);
  }
  if (isMapping(document)) return document;
  throw wrongConfiguration(`${path} must hold names with values, such as "app_uuid: …"; correct it.`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongConfiguration(
      `The configuration file ${path} cannot be read (${code}); check --config or MAUTH_CONFIG_YML.`,
    );
  }
}

/** The section of the environment, as Rails names it; the whole document where it has no sections. */
function sectionOf(
  document: Record<string, unknown>,
  wanted: string | undefined,
  env: Environment,
  path: string,
): Record<string, unknown> {
  const environment = env.RAILS_ENV?.trim() || env.RACK_ENV?.trim() || 'development';
  for (const name of wanted === undefined ? [environment, 'common'] : [wanted]) {
    const section: unknown = Object.hasOwn(document, name) ? document[name] : undefined;
    if (isMapping(section)) return section;
  }
  if (wanted === undefined && Object.keys(document).some((name) => Object.hasOwn(READERS, name)))
    return document;
  const sections = Object.keys(document).filter((name) => isMapping(document[name]));
  throw wrongConfiguration(
    `${path} has no section "${wanted ?? environment}"; set --section` +
      (sections.length > 0 ? ` to one of: ${sections.join(', ')}.` : '.'),
  );
}

interface Reader {
  readonly accepts: string;
  /** Undefined where the value is not accepted. */
  readonly read: (value: string, path: string) => Partial<MAuthOptions> | undefined;
}

const text = (name: keyof MAuthOptions): Reader => ({
  accepts: 'text',
  read: (value) => ({ [name]: value }),
});
const flag = (options: (isSet: boolean) => Partial<MAuthOptions>): Reader => ({
  accepts: 'true or false',
  read: (value) => (value === 'true' ? options(true) : value === 'false' ? options(false) : undefined),
});

const READERS: Readonly<Record<string, Reader>> = {
  app_uuid: {
    accepts: 'a UUID',
    read: (value) => (isAppUuid(value) ? { appUuid: value } : undefined),
  },
  mauth_baseurl: {
    accepts: 'a URL such as https://mauth.example.com',
    read: (value) => (isServiceUrl(value) ? { mauthUrl: value } : undefined),
  },
  mauth_api_version: {
    accepts: 'a version such as v1',
    read: (value) => (isApiVersion(value) ? { apiVersion: value } : undefined),
  },
  private_key_file: {
    accepts: 'a path',
    read: (value, path) => ({ privateKeyFile: resolve(dirname(path), value) }),
  },
  private_key: text('privateKey'),
  private_key_data: text('privateKey'),
  v1_only_sign_requests: flag((isSet) => ({ signVersions: isSet ? 'v1' : 'v1,v2' })),
  v2_only_sign_requests: flag((isSet) => (isSet ? { signVersions: 'v2' } : {})),
  v2_only_authenticate: flag((isSet) => ({ v2OnlyAuthenticate: isSet })),
};

function optionsIn(section: Record<string, unknown>, path: string): Partial<MAuthOptions> {
  const options: Partial<MAuthOptions> = {};
  for (const [name, { accepts, read }] of Object.entries(READERS)) {
    const value: unknown = Object.hasOwn(section, name) ? section[name] : undefined;
    if (value === undefined || value === null || value === '') continue;
    const isText = typeof value === 'string' || typeof value === 'boolean';
    const found = isText ? read(String(value).trim(), path) : undefined;
    // The value itself stays out of the message: it may be the key.
    if (!found) throw wrongConfiguration(`\`${name}\` in ${path} must be ${accepts}; correct or remove it.`);
    Object.assign(options, found);
  }
  if (String(section.v1_only_sign_requests) === 'true' && String(section.v2_only_sign_requests) === 'true') {
    throw wrongConfiguration(
      `\`v1_only_sign_requests\` and \`v2_only_sign_requests\` in ${path} must not both be true; remove one.`,
    );
  }
  if (options.privateKey && options.privateKeyFile) delete options.privateKeyFile;
  return options;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
