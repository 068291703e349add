import { type RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { MAuthConfigurationError } from '../config/errors.js';

/** Where the MAuth service is. */
export interface ServiceAddress {
  readonly isHttps: boolean;
  /** Host, port and the like, for `request` of node:http or node:https. */
  readonly target: RequestOptions;
  /** What every path of the service begins with, such as `/mauth/v1`; as it goes over the wire. */
  readonly basePath: string;
}

/**
 * Reads the address once. Whoever can change what comes over plain HTTP could hand us any public key, so `http:`
 * is taken for the loopback only, unless it is allowed by name.
 *
 * @throws MAuthConfigurationError that names `mauthUrl` and `service.allowHttp`
 */
export function serviceAddress(mauthUrl: string, apiVersion: string, allowHttp: boolean): ServiceAddress {
  const url = new URL(mauthUrl);
  const isHttps = url.protocol === 'https:';
  if (!isHttps && !allowHttp && !isLoopback(url.hostname)) {
    throw new MAuthConfigurationError(
      `MAuth option \`mauthUrl\` (environment: MAUTH_URL) must begin with https:// for the host ${url.hostname}; ` +
        'set `service.allowHttp` (environment: MAUTH_ALLOW_HTTP) to true to trust the network in between.',
    );
  }
  const { protocol, hostname, port } = urlToHttpOptions(url);
  return {
    isHttps,
    target: { protocol, hostname, port },
    basePath: `${url.pathname.replace(/\/+$/, '')}/mauth/${apiVersion}`,
  };
}

/** `URL` has already brought every spelling of an IPv4 address to four decimal numbers. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
