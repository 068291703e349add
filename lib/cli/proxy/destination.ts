import { MAuthConfigurationError } from '../../config/errors.js';
import { originOf } from './page-rules.js';
import { Refusal } from './refusal.js';

/** Where a request goes. */
export interface Destination {
  /** Scheme, host and port. */
  readonly origin: URL;
  /** Path and query to be sent and signed, as they came. */
  readonly target: string;
  /** The value of `Host`. */
  readonly host: string;
}

/** What is sent: visible characters of one byte each. Node's client would refuse anything else, or it could split. */
const SENDABLE = /^\/[\x21-\x7e\x80-\xff]*$/;

/** @throws Refusal with 400 */
function checked(target: string): string {
  if (SENDABLE.test(target)) return target;
  throw new Refusal(
    400,
    'The target of the request must begin with / and have no spaces or control characters.',
  );
}

/** A target given on the command line: the requests' own targets are put behind its path. */
export class ReverseTarget {
  readonly #url: URL;
  readonly #prefix: string;

  /** @throws MAuthConfigurationError */
  constructor(text: string) {
    const [, authority = '', prefix = ''] = /^https?:\/\/([^/?#\\]+)([^?#]*)$/i.exec(text) ?? [];
    const isUsable = authority !== '' && !authority.includes('@') && URL.canParse(text);
    if (!isUsable || (prefix !== '' && !SENDABLE.test(prefix))) {
      throw new MAuthConfigurationError(
        'The target of the proxy must be an absolute http: or https: URL without user name, query and fragment, ' +
          'such as https://api.example.com/v1.',
      );
    }
    this.#url = new URL(new URL(text).origin);
    this.#prefix = prefix.replace(/\/$/, '');
  }

  /** @throws Refusal with 400 */
  destinationOf(target: string): Destination {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) {
      throw new Refusal(
        400,
        'This proxy stands in front of one target: open its own address, or start it with --browser.',
      );
    }
    return { origin: this.#url, target: this.#prefix + checked(target), host: this.#url.host };
  }
}

/** What a request to an absolute URL asks for. */
export interface BrowserDestination extends Destination {
  /** Whether it is one of the origins whose requests are signed. */
  readonly isListed: boolean;
  /** The origin that the browser believes to talk to. */
  readonly seenAs: string;
}

const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::[0-9]{1,5})?$/i;

/** The origins of the browser mode. Compared whole: https://api.example.com is no prefix of another host. */
export class BrowserOrigins {
  /** By the origin that is typed into the browser, always with `http:`. */
  readonly #byTyped = new Map<string, URL>();

  /** @throws MAuthConfigurationError */
  constructor(origins: readonly string[]) {
    for (const text of origins) {
      const origin = originOf(text);
      if (!origin) {
        throw new MAuthConfigurationError(
          `An origin of the browser mode is scheme, host and port, such as https://api.example.com.`,
        );
      }
      const url = new URL(origin);
      for (const typed of new Set([typedAs(url), new URL(`http://${url.hostname}:${portOf(url)}`).origin])) {
        const other = this.#byTyped.get(typed);
        if (other && other.origin !== origin) {
          throw new MAuthConfigurationError(
            `Both ${other.origin} and ${origin} would be opened as ${typed}; list one.`,
          );
        }
        this.#byTyped.set(typed, url);
      }
    }
  }

  /** @throws Refusal with 400 */
  destinationOf(target: string): BrowserDestination {
    const [, authority = '', rest = ''] = /^http:\/\/([^/?#\\]*)([^]*)$/i.exec(target) ?? [];
    const typed =
      AUTHORITY.test(authority) && URL.canParse(`http://${authority}`) && new URL(`http://${authority}`);
    if (!typed) {
      const why = target.startsWith('/')
        ? 'In browser mode set this address as the HTTP proxy of the browser; it is no page to open.'
        : 'The proxy takes http://HOST[:PORT]/… without user name, and CONNECT for https.';
      throw new Refusal(400, why);
    }
    const origin = this.#byTyped.get(typed.origin);
    const path = checked(rest.startsWith('/') ? rest : `/${rest}`);
    const to = origin ?? new URL(typed.origin);
    return { origin: to, target: path, host: to.host, isListed: origin !== undefined, seenAs: typed.origin };
  }

  /** The listed https origin that a CONNECT would lead past the proxy to; undefined where there is none. */
  httpsOriginOf(authority: URL): string | undefined {
    const listed = [...this.#byTyped.values()].find(
      (url) =>
        url.protocol === 'https:' && url.hostname === authority.hostname && portOf(url) === portOf(authority),
    );
    return listed && typedAs(listed);
  }
}

/** What the host and port of a CONNECT lead to. */
export function tunnelTo(authority: string): URL {
  const hasPort =
    AUTHORITY.test(authority) && /:[0-9]+$/.test(authority) && URL.canParse(`https://${authority}`);
  if (hasPort) return new URL(`https://${authority}`);
  throw new Refusal(400, 'CONNECT takes HOST:PORT.');
}

/** A number, also where it is the scheme's own. */
export function portOf({ port, protocol }: URL): number {
  return Number(port || (protocol === 'https:' ? 443 : 80));
}

/** As it is typed to go through the proxy: with `http:`, and the scheme's own port left out. */
function typedAs({ host }: URL): string {
  return new URL(`http://${host}`).origin;
}
