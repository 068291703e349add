import { type KeyObject } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';
import CachePolicy from 'http-cache-semantics';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { isAppUuid } from '../protocol/headers.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { readPublicKey, UnusableKeyError } from '../protocol/rsa-keys.js';
import { MAuthEvents, type EventSettings } from '../events/mauth-events.js';
import { type FoundPublicKey, type KeyFetchReason, type PublicKeySource } from './public-key-source.js';
import { malformed } from './service-answer.js';
import {
  MAuthServiceConnection,
  ServiceFailure,
  type AroundAttempt,
  type ServiceAnswer,
  type ServiceSettings,
} from './service-connection.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';

/**
 * For how many seconds an answer says that it stays good: Cache-Control, Age and Expires as RFC 9111 reads them for
 * a private cache (so `s-maxage` means nothing here). 0 when it says nothing, or nothing sensible: the cache has a
 * floor below which it does not go.
 */
export function freshnessSeconds(headers: IncomingHttpHeaders): number {
  const { age, expires, date, ...others } = ownProperties(headers);
  const cacheControl = others['cache-control']?.toLowerCase();
  // Section 4.2.1: a directive that comes twice makes the answer stale.
  if ((cacheControl?.match(/(?<![\w-])max-age\b/g)?.length ?? 0) > 1) return 0;
  const known = { 'cache-control': cacheControl, age, expires, date };
  for (const name of Object.keys(known) as (keyof typeof known)[]) {
    if (typeof known[name] !== 'string') delete known[name];
  }
  const policy = new CachePolicy(
    { headers: {}, method: 'GET' },
    { status: 200, headers: known },
    { shared: false },
  );
  const seconds = policy.maxAge() - Math.max(0, policy.age());
  return Number.isFinite(seconds) ? Math.max(0, Math.round(seconds)) : 0;
}

/** How the service is asked about one app. */
interface QuestionTerms {
  readonly reason: KeyFetchReason;
  readonly withinMs: number | undefined;
  readonly attempts?: 'once';
}

/**
 * Fetches public keys from the MAuth service, one security token a question. It keeps nothing: that is the cache's
 * part.
 *
 * @example
 * const client = new SecurityTokenClient(settings, signer);
 * const found = await client.fetch('5ff4257e-9c16-11e0-b048-0026bbfffe5e'); // undefined: no such app
 */
export class SecurityTokenClient implements PublicKeySource {
  readonly #connection: MAuthServiceConnection;
  readonly #events: MAuthEvents;

  /** @throws MAuthConfigurationError when `mauthUrl` is plain HTTP where that is not allowed */
  constructor(settings: ServiceSettings & EventSettings, signer: MAuthSigner) {
    this.#events = new MAuthEvents(settings);
    this.#connection = new MAuthServiceConnection(settings, signer);
  }

  /**
   * @throws MAuthUnableToAuthenticateError `service_unavailable`, `own_app_refused`, `service_answer_malformed`,
   * `unusable_public_key`
   */
  fetch(
    appUuid: string,
    reason: KeyFetchReason = 'absent',
    withinMs?: number,
  ): Promise<FoundPublicKey | undefined> {
    return this.#ask(appUuid, { reason, withinMs });
  }

  /** As `fetch`, in a single attempt: for a probe, which asks again in any case. */
  fetchOnce(appUuid: string, withinMs?: number): Promise<FoundPublicKey | undefined> {
    return this.#ask(appUuid, { reason: 'refresh', withinMs, attempts: 'once' });
  }

  close(): void {
    this.#connection.close();
  }

  async #ask(
    appUuid: string,
    { reason, withinMs, attempts }: QuestionTerms,
  ): Promise<FoundPublicKey | undefined> {
    if (!isAppUuid(appUuid)) return undefined; // Nothing else ever becomes part of a URL.
    const path = `security_tokens/${appUuid}.json`;
    let found: FoundPublicKey | undefined;
    const around: AroundAttempt = (attempt, ask) =>
      this.#events.keyFetch({ appUuid: appUuid.toLowerCase(), reason, attempt }, async (fetch) => {
        try {
          const answer = await ask();
          fetch.status = answer.status;
          found = this.#read(answer, appUuid);
          fetch.found = found !== undefined;
          fetch.maxAge = found?.maxAgeSeconds;
          return answer;
        } catch (error) {
          if (error instanceof ServiceFailure) fetch.status = error.status;
          throw error;
        }
      });
    await this.#connection.ask({ method: 'GET', path, wants: 'text', attempts, around }, withinMs);
    return found;
  }

  #read({ status, headers, text }: ServiceAnswer, appUuid: string): FoundPublicKey | undefined {
    if (status === 404 || status === 412) return undefined;
    if (status !== 200) throw malformed(`has status ${status}, which says nothing about the app`);
    return { key: usableKey(publicKeyText(text, appUuid)), maxAgeSeconds: freshnessSeconds(headers) };
  }
}

/** The PEM in a security token, once the token is known to be of the app that was asked for. */
function publicKeyText(text: string, appUuid: string): string {
  const { app_uuid: named, public_key_str: pem } = ownProperties(
    ownProperty(parsed(text), 'security_token') as Record<string, unknown> | undefined,
  );
  if (typeof named !== 'string' || typeof pem !== 'string') throw malformed('is not a security token');
  if (named.toLowerCase() !== appUuid.toLowerCase()) throw malformed('is the security token of another app');
  return pem;
}

function parsed(text: string): unknown {
  try {
    return parseUnambiguousJson(text);
  } catch {
    // The syntax error would quote the text.
    throw malformed('is not JSON, or names a member twice');
  }
}

function usableKey(pem: string): KeyObject {
  try {
    return readPublicKey(pem);
  } catch (cause) {
    if (!(cause instanceof UnusableKeyError)) throw cause;
    throw new MAuthUnableToAuthenticateError(
      'unusable_public_key',
      `The public key that the MAuth service has for the app cannot be used. ${cause.message}`,
      { cause },
    );
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * `JSON.parse`, but an object that names a member twice is refused: RFC 8259, section 4, leaves open which of the
 * two counts, so two readers could see two different keys.
 *
 * @throws SyntaxError
 */
export function parseUnambiguousJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const open: (Set<string> | undefined)[] = [];
  let before = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const [members, name] = [open.at(-1), JSON.parse(before) as string];
      if (members?.has(name)) throw new SyntaxError('A member of an object is named twice.');
      members?.add(name);
    }
    before = token;
  }
  return value;
}
