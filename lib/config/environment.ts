import { isAppUuid } from '../protocol/headers.js';
import { MAuthConfigurationError } from './errors.js';
import { type MAuthOptions } from './options.js';
import { isApiVersion, isServiceUrl, parseSignVersions } from './settings.js';
import { ENVIRONMENT, RUBY_SIGN_VERSIONS } from './environment-names.js';
import { ownProperty } from '../protocol/own-properties.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Options from environment variables, under the names that all MAuth clients share. White space at either end of a
 * value does not count, and an empty variable counts as unset; of several names for one option the first that is set
 * wins.
 *
 * Nothing is required here, so the result can be completed: `{ ...mauthOptionsFromEnv(), protect: 'routes' }`.
 *
 * @param env variables by name; default `process.env`
 * @throws MAuthConfigurationError that names the variable and what it accepts
 *
 * @example
 * MAuthModule.forRoot({ ...mauthOptionsFromEnv(), v2OnlyAuthenticate: true });
 */
export function mauthOptionsFromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
): MAuthOptions {
  const allowHttp = read(env, ENVIRONMENT['service.allowHttp'], flag);
  const options: Partial<MAuthOptions> = {
    appUuid: read(env, ENVIRONMENT.appUuid, appUuid),
    privateKey: read(env, ENVIRONMENT.privateKey, text),
    mauthUrl: read(env, ENVIRONMENT.mauthUrl, serviceUrl),
    apiVersion: read(env, ENVIRONMENT.apiVersion, apiVersion),
    mode: read(env, ENVIRONMENT.mode, mode),
    signVersions: read(env, ENVIRONMENT.signVersions, signVersions) ?? rubySignVersions(env),
    v2OnlyAuthenticate: read(env, ENVIRONMENT.v2OnlyAuthenticate, flag),
    disableFallbackToV1: read(env, ENVIRONMENT.disableFallbackToV1, flag),
    service: allowHttp === undefined ? undefined : { allowHttp },
  };
  options.privateKeyFile = options.privateKey ? undefined : read(env, ENVIRONMENT.privateKeyFile, text);
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as MAuthOptions;
}

/** Reads the value of a variable; undefined when the value is not an accepted one. */
interface Reader<T> {
  (value: string): T | undefined;
  /** The values that the variable accepts, for the error. */
  accepts: string;
}

function reader<T>(accepts: string, read: (value: string) => T | undefined): Reader<T> {
  return Object.assign(read, { accepts });
}

const text = reader('any text', (value) => value);
const appUuid = reader('a UUID such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e', (value) =>
  isAppUuid(value) ? value : undefined,
);
const serviceUrl = reader('an https URL such as https://mauth.example.com', (value) =>
  isServiceUrl(value) ? value : undefined,
);
const apiVersion = reader('a version such as v1', (value) => (isApiVersion(value) ? value : undefined));
const signVersions = reader('v1, v2 or v1,v2', parseSignVersions);
const mode = reader('local or remote', (value) => {
  const lower = value.toLowerCase();
  return lower === 'local' || lower === 'remote' ? lower : undefined;
});
const flag = reader('true or false', (value) => {
  const lower = value.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
});

function read<T>(env: Environment, names: readonly string[], reader: Reader<T>): T | undefined {
  const name = firstSet(env, names);
  if (name === undefined) return undefined;
  const text = textOf(env, name);
  const value = reader(text);
  if (value !== undefined) return value;
  // The value itself stays out of the message: it may be a secret that was put into the wrong variable.
  throw new MAuthConfigurationError(
    `The environment variable ${name} must be ${reader.accepts}; correct or unset it.` +
      (/^(["']).*\1$/.test(text) ? ' Its value stands in quotes: remove them.' : ''),
  );
}

function firstSet(env: Environment, names: readonly string[]): string | undefined {
  return names.find((name) => textOf(env, name) !== '');
}

function textOf(env: Environment, name: string): string {
  return ownProperty(env, name)?.trim() ?? '';
}

function rubySignVersions(env: Environment): 'v1' | 'v2' | 'v1,v2' | undefined {
  const v2Only = read(env, RUBY_SIGN_VERSIONS.v2Only, flag);
  const v1Only = read(env, RUBY_SIGN_VERSIONS.v1Only, flag);
  if (v2Only && v1Only) {
    const names = [RUBY_SIGN_VERSIONS.v2Only, RUBY_SIGN_VERSIONS.v1Only].map((names) => firstSet(env, names));
    throw new MAuthConfigurationError(
      `The environment variables ${names.join(' and ')} must not both be true; ` +
        'set MAUTH_SIGN_VERSIONS to v1, v2 or v1,v2 instead.',
    );
  }
  if (v2Only) return 'v2';
  return v1Only === undefined ? undefined : v1Only ? 'v1' : 'v1,v2';
}
