import { MAuthUnableToSignError } from '../../config/errors.js';
import { type RequestConfig } from './axios-types.js';
import { isHttp, requestTarget } from '../signed-step.js';
import { type AdapterRunner } from './adapter-runner.js';
import { kindOfError } from '../signature-traces.js';

// The URL parser would drop these, or start a fragment at them, if a `paramsSerializer` left them unescaped.
const UNSAFE = /[\0-\x20#\x7f]/g;

/**
 * The final URL of the request. Adapters escape differently, so one config could lead to different request lines; a URL
 * that the URL parser has written is sent unchanged by every adapter.
 *
 * @throws MAuthUnableToSignError `malformed_url` when the config has no valid absolute URL
 */
export function requestUrl(config: RequestConfig, axios: AdapterRunner): URL {
  try {
    return settledUrl(config, axios);
  } catch (error) {
    // Without its cause, which holds the URL with the query.
    throw new MAuthUnableToSignError(
      'malformed_url',
      `The request has no valid absolute URL (${kindOfError(error)}); check \`url\`, \`baseURL\`, \`params\` and ` +
        '`paramsSerializer`.',
    );
  }
}

function settledUrl(config: RequestConfig, axios: AdapterRunner): URL {
  const { baseURL, allowAbsoluteUrls, paramsSerializer, socketPath } = config;
  const params: unknown = config.params;
  // A request over a Unix socket may have a path for its URL; axios names the host like this too.
  const base = new URL(
    axios.getUri({ baseURL, url: config.url && String(config.url), allowAbsoluteUrls }),
    socketPath ? 'http://localhost' : undefined,
  );
  if (!isHttp(base)) return base;
  const target = axios.getUri({ url: base.pathname + base.search, params, paramsSerializer });
  const url = new URL(base.origin + target.replace(UNSAFE, escape));
  url.username = base.username;
  url.password = base.password;
  return url;
}

/** Whether every adapter makes that very URL of the config as it stands. */
export function comesTo(url: URL, config: RequestConfig, axios: AdapterRunner): boolean {
  const { baseURL, allowAbsoluteUrls, paramsSerializer, socketPath } = config;
  const params: unknown = config.params;
  const made = axios.getUri({ baseURL, url: config.url, allowAbsoluteUrls, params, paramsSerializer });
  const uri = socketPath && made.startsWith('/') ? `http://localhost${made}` : made;
  const settled = url.origin + requestTarget(url);
  return uri === settled || `${uri}/` === settled;
}

function escape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The credentials in a URL, as adapters read them; a redirect to another origin drops them. */
export function credentialsOf({ username, password }: URL): RequestConfig['auth'] {
  if (username === '' && password === '') return undefined;
  return { username: decoded(username), password: decoded(password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
