import { type KeyObject } from 'node:crypto';
import { bytesOfWireText, toBytes, type ByteString } from '../protocol/byte-string.js';
import { canonicalQuery, normalizePath } from '../protocol/canonical-target.js';
import { dialectQueries } from '../protocol/query-dialects.js';
import {
  forEachField,
  isAppUuid,
  isTime,
  pickHeaders,
  readAuthentication,
  rereadable,
  type HeaderPair,
  type MAuthHeaderFields,
  type MAuthHeaders,
} from '../protocol/headers.js';
import { checkPublicKey, readPublicKey } from '../protocol/rsa-keys.js';
import {
  originForm,
  RequestLine,
  v1Closing,
  v1Opening,
  type MessageBody,
} from '../protocol/string-to-sign.js';
import { BodyForm, bodyVariants } from './body-variants.js';
import { provenCause, type ExplainCause } from './causes.js';
import { type ComparedPart, type Explanation } from './explanation.js';
import { pathVariants } from './path-variants.js';
import { queryVariants } from './query-variants.js';
import { readStringToSign } from './read-string-to-sign.js';
import { openSignature } from './signed-block.js';
import { TextSearch, type FoundText, type Parts, type PartVariants } from './text-search.js';
import { type Variant } from './variants.js';

/** A request as it was received. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as on the wire; scheme and host in front are cut off. */
  readonly url: string | Uint8Array;
  readonly headers: MAuthHeaderFields;
  /** The bytes on the wire; text stands for its UTF-8 bytes. */
  readonly body?: MessageBody;
  /** The public key that this side has for the app, PEM or parsed. */
  readonly publicKey: KeyObject | string;
  /** Milliseconds since 1970; without it, the time of the request is not looked at. */
  readonly now?: number;
  /** The string to sign that the sender says it signed, bytes: compared part by part. */
  readonly expected?: Uint8Array;
}

/** What else may have been signed. */
export interface ExplainHints {
  /** Path prefixes that a proxy may add or remove, such as `/api`. */
  readonly prefixes?: readonly string[];
  /** Host names, without scheme. */
  readonly hosts?: readonly string[];
  /** Queries that may have been sent, without `?`. */
  readonly queries?: readonly string[];
  /** Bodies that may have been sent. */
  readonly bodies?: readonly Uint8Array[];
  readonly appUuids?: readonly string[];
  /** Which signature is explained where both are there; V2 unless said. */
  readonly version?: 1 | 2;
}

const DRIFT_SECONDS = 300;
const DEADLINE_MS = 950;
/** How many hints of a kind count. */
const MOST_HINTS = 20;

/**
 * Explains why the signature of a request does not match. An RSA signature gives back the digest that the sender
 * signed, so a cause is proven: the text that this mistake leads to has exactly that digest. For tools and for looking
 * into a failure; it may take a second.
 *
 * @returns verdict, causes with remedies, and what was compared; see {@link Explanation}
 * @throws UnusableKeyError where `publicKey` is none that MAuth accepts; never for what the request holds
 *
 * @example
 * const { verdict, causes } = explainRequest({ method, url, headers, body, publicKey, now: Date.now() });
 * for (const { code, text, remedy } of causes) console.log(`${code}: ${text} ${remedy}`);
 */
export function explainRequest(request: ReceivedRequest, hints: ExplainHints = {}): Explanation {
  const { publicKey } = request;
  const key = typeof publicKey === 'string' ? readPublicKey(publicKey) : checkPublicKey(publicKey);
  return new RequestExplanation(request, hints, key).explain();
}

/** One request on its way through the causes. */
class RequestExplanation {
  readonly #request: ReceivedRequest;
  readonly #hints: ExplainHints;
  readonly #key: KeyObject;
  readonly #fields: MAuthHeaderFields;
  readonly #headers: MAuthHeaders;
  readonly #version: 1 | 2 | undefined;
  readonly #causes: ExplainCause[] = [];
  readonly #method: string;
  readonly #path: ByteString;
  readonly #query: ByteString;
  readonly #body: BodyForm;
  readonly #start = Date.now();
  #bodies?: readonly Variant<BodyForm>[];

  constructor(request: ReceivedRequest, hints: ExplainHints, key: KeyObject) {
    this.#request = request;
    this.#hints = hints;
    this.#key = key;
    this.#fields = rereadable(fieldsOf(request.headers));
    this.#headers = pickHeaders(this.#fields);
    this.#version = versionOf(this.#headers, hints.version);
    this.#method = textOf(request.method);
    const target = originForm(targetOf(request.url));
    const mark = target.indexOf('?');
    this.#path = mark < 0 ? target : target.slice(0, mark);
    this.#query = mark < 0 ? '' : target.slice(mark + 1);
    this.#body = new BodyForm(bytesOf(request.body));
  }

  explain(): Explanation {
    const version = this.#version;
    if (!version) return this.#result('explained', ['headers_missing'], 0);
    const pair = this.#pair(version);
    const { appUuid, signature } = readAuthentication(version, pair.authentication ?? '');
    if (!appUuid || !signature) return this.#result('explained', ['headers_malformed'], 0);
    const time = this.#checkTime(pair.time);
    if (time === undefined) return this.#result('explained', this.#causes, 0);
    if (signature.length !== Math.ceil((this.#key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)) {
      return this.#result('other_key', ['key_size', ...this.#causes], 0);
    }
    const readings = openSignature(this.#key, signature, version);
    let tried = 0;
    for (const { causes, digest } of readings) {
      const before = [...causes, ...this.#causes];
      if (!digest) return this.#result('explained', before, 0);
      const search = new TextSearch(digest, this.#start + DEADLINE_MS);
      const own = this.#variants(version, appUuid, time);
      const found =
        search.find(own, this.#variants(version === 1 ? 2 : 1, appUuid, time)) ??
        this.#foundInExpected(search, own);
      tried += search.tried;
      if (found) return this.#found(found, before, tried);
    }
    const proven = readings.find(({ isProven }) => isProven);
    if (!proven) return this.#result('other_key', ['other_key', ...this.#causes], tried);
    const verdict = proven.causes.length > 0 ? 'explained' : 'unexplained';
    return this.#result(verdict, [...proven.causes, ...this.#causes], tried);
  }

  #found(found: FoundText, before: readonly ExplainCause[], tried: number): Explanation {
    const causes = [...before, ...found.causes];
    const verdict = !found.isAccountedFor ? 'unexplained' : causes.length > 0 ? 'explained' : 'authentic';
    return this.#result(verdict, causes, tried, found);
  }

  #pair(version: 1 | 2): HeaderPair {
    return version === 1 ? this.#headers.v1 : this.#headers.v2;
  }

  /** The time as it was sent; notes what is wrong with it. Undefined where there is none that can be read. */
  #checkTime(sent: string | undefined): string | undefined {
    if (sent === undefined) this.#causes.push('headers_missing');
    else if (/^[1-9]\d{12}$/.test(sent)) {
      this.#causes.push('time_milliseconds');
      return sent;
    } else if (!isTime(sent)) this.#causes.push('headers_malformed');
    else {
      const { now } = this.#request;
      const isLate =
        typeof now === 'number' && !(Math.abs(Math.floor(now / 1000) - Number(sent)) <= DRIFT_SECONDS);
      if (isLate) this.#causes.push('clock_skew');
      return sent;
    }
    return undefined;
  }

  #variants(version: 1 | 2, appUuid: string, time: string): PartVariants {
    const other = this.#pair(this.#version === 1 ? 2 : 1);
    const otherUuid = readAuthentication(this.#version === 1 ? 2 : 1, other.authentication ?? '').appUuid;
    const given = this.#hints;
    const way = {
      prefixes: [...texts(given.prefixes), ...this.#header('x-forwarded-prefix')],
      hosts: [...texts(given.hosts), ...this.#header('host'), ...this.#header('x-forwarded-host')],
      query: this.#query,
    };
    // Half of the time is for what may have been signed, the rest for comparing texts.
    const until = this.#start + DEADLINE_MS / 2;
    return {
      version,
      method: methods(this.#method, this.#header('x-http-method-override')),
      path: pathVariants(this.#path, version, way, until),
      body: (this.#bodies ??= bodyVariants(
        this.#body.bytes,
        (given.bodies ?? []).slice(0, MOST_HINTS),
        until,
      )),
      appUuid: appUuids(appUuid, [otherUuid, ...texts(given.appUuids)]),
      time: times(time, other.time),
      query: version === 1 ? [{ value: '', causes: [] }] : this.#queries(texts(given.queries), until),
      end: [
        { value: '', causes: [] },
        { value: '\n', causes: ['string_trailing_newline'] },
        ...(version === 2 && this.#query === ''
          ? [{ value: '-', causes: ['string_trailing_newline'] } as const]
          : []),
      ],
    };
  }

  /** What this side expects to have been signed. */
  #received(version: 1 | 2, appUuid: string, time: string): Parts {
    return {
      method: this.#method,
      path: version === 1 ? this.#path : normalizePath(this.#path),
      body: this.#body,
      appUuid,
      time,
      query: version === 1 ? '' : canonicalQuery(this.#query),
      end: '',
    };
  }

  #queries(given: readonly string[], until: number): Variant[] {
    const [canonical, ...others] = queryVariants(this.#query, given, until);
    const accepted = dialectQueries(this.#query, canonical.value);
    return [canonical, ...accepted.map((value): Variant => ({ value, causes: [] })), ...others];
  }

  /** The text that the sender says it signed, where the signature is over it. */
  #foundInExpected(search: TextSearch, own: PartVariants): FoundText | undefined {
    const { expected } = this.#request;
    if (!(expected instanceof Uint8Array) || !search.isSigned(expected)) return undefined;
    return readStringToSign(expected, own);
  }

  /** The first value of a header; none where it is not there. */
  #header(wanted: string): string[] {
    const values: string[] = [];
    forEachField(this.#fields, new Set([wanted.length]), (name, value) => {
      const first: unknown = Array.isArray(value) ? value[0] : value;
      if (name.toLowerCase() === wanted && typeof first === 'string') values.push(first);
    });
    return values;
  }

  #result(
    verdict: Explanation['verdict'],
    codes: readonly ExplainCause[],
    tried: number,
    found?: FoundText,
  ): Explanation {
    const version = this.#version;
    const pair = version && this.#pair(version);
    const appUuid = (version && readAuthentication(version, pair?.authentication ?? '').appUuid) ?? '';
    const received = this.#received(version ?? 2, appUuid, pair?.time ?? '');
    return {
      verdict,
      ...(version ? { protocolVersion: version } : {}),
      causes: [...new Set(codes)].map(provenCause),
      parts: compared(found?.version ?? version, received, found),
      stringToSign: stringToSignOf(version ?? 2, received),
      tried,
    };
  }
}

/** V2 where its header is there, as a verifier chooses. */
function versionOf({ v1, v2 }: MAuthHeaders, wanted: unknown): 1 | 2 | undefined {
  const hasV1 = v1.authentication !== undefined;
  const hasV2 = v2.authentication !== undefined;
  if (wanted === 1 && hasV1) return 1;
  return hasV2 ? 2 : hasV1 ? 1 : undefined;
}

function stringToSignOf(version: 1 | 2, { method, path, body, appUuid, time, query }: Parts): Uint8Array {
  if (version === 2) return toBytes([method, path, body.digest, appUuid, time, query].join('\n'));
  const opening = v1Opening(new RequestLine(method, path, query));
  return Buffer.concat([toBytes(opening), body.bytes, toBytes(v1Closing(appUuid, time))]);
}

function compared(version: 1 | 2 | undefined, received: Parts, found?: FoundText): ComparedPart[] {
  const part = (name: ComparedPart['name'], mine: string, theirs?: string): ComparedPart =>
    theirs === undefined
      ? { name, received: mine, same: false }
      : { name, received: mine, signed: theirs, same: mine === theirs };
  const signed = found?.parts;
  const theirBody = signed && described(signed.body);
  const difference = signed?.body.isKnown ? differenceOf(received.body.bytes, signed.body.bytes) : '';
  return [
    part('method', received.method, signed?.method),
    part('path', received.path, signed?.path),
    // V1 signs no query.
    ...(version === 1 ? [] : [part('query', received.query, signed?.query)]),
    {
      ...part('body', described(received.body), theirBody),
      ...(difference ? { signed: `${theirBody}, ${difference}` } : {}),
    },
    part('app_uuid', received.appUuid, signed?.appUuid),
    part('time', received.time, signed?.time),
  ];
}

function described(body: BodyForm): string {
  return body.isKnown ? `${body.bytes.length} bytes, SHA-512 ${body.digest}` : `SHA-512 ${body.digest}`;
}

function differenceOf(received: Uint8Array, signed: Uint8Array): string {
  const length = Math.max(received.length, signed.length);
  for (let at = 0; at < length; at++) if (received[at] !== signed[at]) return `differs from byte ${at} on`;
  return '';
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

function methods(received: string, overrides: readonly string[]): Variant[] {
  const others = new Set([...overrides, ...METHODS, received.toLowerCase(), received.toUpperCase()]);
  others.delete(received);
  return changed(received, others, 'method_changed');
}

function appUuids(received: string, others: readonly (string | undefined)[]): Variant[] {
  const spellings = new Set([received.toLowerCase(), received.toUpperCase()]);
  spellings.delete(received);
  const uuids = new Set(others.filter((other) => isAppUuid(other)));
  for (const known of [received, ...spellings]) uuids.delete(known);
  return [...changed(received, spellings, 'uuid_case'), ...changed(received, uuids, 'uuid_changed').slice(1)];
}

const SECONDS_AROUND = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5];

function times(sent: string, other: string | undefined): Variant[] {
  if (/^\d{13}$/.test(sent)) {
    return [
      { value: sent, causes: [] },
      { value: sent.slice(0, -3), causes: [] },
    ];
  }
  if (!isTime(sent)) return [{ value: sent, causes: [] }];
  const around = SECONDS_AROUND.map((seconds) => String(Number(sent) + seconds));
  const others = new Set([...(isTime(other) ? [other] : []), ...around]);
  others.delete(sent);
  const milliseconds = Array.from({ length: 1000 }, (_, rest) => sent + String(rest).padStart(3, '0'));
  return [
    ...changed(sent, others, 'time_changed'),
    ...changed(sent, milliseconds, 'time_milliseconds').slice(1),
  ];
}

function changed(received: string, others: Iterable<string>, code: ExplainCause): Variant[] {
  return [
    { value: received, causes: [] },
    ...[...others].map((value): Variant => ({ value, causes: [code] })),
  ];
}

/* What comes from outside may be anything: it is read as what it should be, or as empty. */

function fieldsOf(headers: unknown): MAuthHeaderFields {
  return typeof headers === 'object' && headers !== null ? (headers as MAuthHeaderFields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function targetOf(url: unknown): ByteString {
  return typeof url === 'string' || url instanceof Uint8Array ? bytesOfWireText(url) : '';
}

function bytesOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  return body instanceof Uint8Array ? body : new Uint8Array(0);
}

function texts(values: readonly unknown[] | undefined): string[] {
  return (values ?? []).filter((value) => typeof value === 'string').slice(0, MOST_HINTS);
}
