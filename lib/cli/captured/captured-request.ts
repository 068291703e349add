import { wrongUsage } from '../exit-codes.js';

/** A request that was recorded somewhere, with its signature. */
export interface CapturedRequest {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly url: Uint8Array | string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export function unreadable(what: string, remedy: string): Error {
  return wrongUsage(`${what} cannot be read: ${remedy}.`);
}

/** What goes into a request line, of a URL or a target. */
export function targetOf(url: string): string {
  const rest = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}
