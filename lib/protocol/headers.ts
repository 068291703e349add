/** Version of the protocol: 1 = MWS, 2 = MWSV2. */
export type MAuthVersion = 1 | 2;

const APP_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Characters of an app UUID in its only accepted form, 8-4-4-4-12. */
export const APP_UUID_LENGTH = 36;

/** Whether the text is a UUID in the form 8-4-4-4-12 of hexadecimal digits, in either case, and nothing else. */
export function isAppUuid(text: unknown): text is string {
  return typeof text === 'string' && APP_UUID.test(text);
}

const TIME = /^[1-9]\d{0,11}$/;

/** Whether the text is a time: seconds since 1970 in plain ASCII digits, without sign, point or leading zero. */
export function isTime(text: unknown): text is string {
  return typeof text === 'string' && TIME.test(text);
}

/** Names of the headers of each version, as they are written, and the token that opens the authentication header. */
export const HEADERS = {
  1: { authentication: 'X-MWS-Authentication', time: 'X-MWS-Time', token: 'MWS', end: '' },
  2: { authentication: 'MCC-Authentication', time: 'MCC-Time', token: 'MWSV2', end: ';' },
} as const;

/** Header names with values; a value may be the list of its lines. `Headers` of the fetch API fits too. */
export type MAuthHeaderFields =
  Readonly<Record<string, string | readonly string[] | undefined>> | Iterable<readonly [string, unknown]>;

/** The values of one version's headers; undefined where a header is absent. */
export class HeaderPair {
  authentication?: string;
  time?: string;
}

/** The MAuth headers of a message. */
export class MAuthHeaders {
  readonly v1 = new HeaderPair();
  readonly v2 = new HeaderPair();
}

/** What an authentication header says. */
export class AuthenticationHeader {
  constructor(
    /** As sent, in either case; undefined when none can be read. */
    readonly appUuid?: string,
    /** Decoded; undefined when it is not canonical base64. */
    readonly signature?: Buffer,
  ) {}
}

/** The headers that a signature is sent in. */
export function writeHeaders(
  version: MAuthVersion,
  appUuid: string,
  signature: Buffer,
  time: string,
): Record<string, string> {
  const { authentication, time: timeName, token, end } = HEADERS[version];
  return { [authentication]: `${token} ${appUuid}:${signature.toString('base64')}${end}`, [timeName]: time };
}

const PLACES = new Map<string, readonly [keyof MAuthHeaders, keyof HeaderPair]>([
  ['x-mws-authentication', ['v1', 'authentication']],
  ['x-mws-time', ['v1', 'time']],
  ['mcc-authentication', ['v2', 'authentication']],
  ['mcc-time', ['v2', 'time']],
]);
const LENGTHS = new Set([...PLACES.keys()].map((name) => name.length));

/** Picks the MAuth headers of both versions in one pass; names are read in any case. */
export function pickHeaders(headers: MAuthHeaderFields): MAuthHeaders {
  const picked = new MAuthHeaders();
  forEachField(headers, LENGTHS, (name, value) => {
    const place = PLACES.get(name.toLowerCase());
    const text = typeof value === 'string' ? value : oneLine(value);
    if (!place || text === undefined) return;
    const [version, part] = place;
    const pair = picked[version];
    const before = pair[part];
    pair[part] = before === undefined ? text : `${before}, ${text}`;
  });
  return picked;
}

/** Headers that can be read more than once: an iterator, which can not, becomes a list. */
export function rereadable(headers: MAuthHeaderFields): MAuthHeaderFields {
  return isIterable(headers) ? [...headers] : headers;
}

/**
 * Calls back for each header whose name has one of the lengths: what is asked about is so rare that looking at the
 * length alone spares most names a closer look. What is no name with a value counts for nothing.
 */
export function forEachField(
  headers: MAuthHeaderFields,
  lengths: ReadonlySet<number>,
  found: (name: string, value: unknown) => void,
): void {
  if (isIterable(headers)) {
    for (const field of headers as Iterable<unknown>)
      if (
        Array.isArray(field) &&
        field.length > 1 &&
        typeof field[0] === 'string' &&
        lengths.has(field[0].length)
      ) {
        found(field[0], field[1]);
      }
    return;
  }
  for (const name of Object.keys(headers)) if (lengths.has(name.length)) found(name, headers[name]);
}

/** Several lines become one as Node joins them; no header that MAuth accepts looks like that. */
function oneLine(value: unknown): string | undefined {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined;
  return Array.isArray(value) && value.every((line) => typeof line === 'string') ? value.join(', ') : '';
}

function isIterable(headers: MAuthHeaderFields): headers is Iterable<readonly [string, unknown]> {
  return typeof (headers as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function';
}

const UNREADABLE = new AuthenticationHeader();
const MAX_LENGTH = 2048; // A signature of 8,192 bits takes 1,368 characters.

/** Reads an authentication header; anything that does not follow the grammar to the letter has no signature. */
export function readAuthentication(version: MAuthVersion, header: string): AuthenticationHeader {
  const { token, end } = HEADERS[version];
  const start = token.length + 1;
  const colon = start + APP_UUID_LENGTH;
  const appUuid = header.slice(start, colon);
  if (!header.startsWith(`${token} `) || header.at(colon) !== ':' || !isAppUuid(appUuid)) return UNREADABLE;
  if (!header.endsWith(end) || header.length > MAX_LENGTH) return new AuthenticationHeader(appUuid);
  const base64 = header.slice(colon + 1, header.length - end.length);
  const signature = Buffer.from(base64, 'base64');
  // Buffer.from skips what it does not know; only text that comes back unchanged was base64 to the letter.
  if (base64 === '' || signature.toString('base64') !== base64) return new AuthenticationHeader(appUuid);
  return new AuthenticationHeader(appUuid, signature);
}
