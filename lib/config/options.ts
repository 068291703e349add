import { type KeyObject } from 'node:crypto';
import { type Agent } from 'node:http';
import { type MAuthAuthenticatedEvent, type MAuthObserver } from './observer.js';

/** Versions that a message is signed with: MWS (`v1`), MWSV2 (`v2`) or both. */
export type MAuthSignVersions = 'v1' | 'v2' | 'v1,v2';

/** The public key of an app, as PEM or parsed; `undefined` = there is no such app. */
export type MAuthPublicKey = string | KeyObject | undefined;

/** Where log lines go, one call for each; Nest's `Logger` and `console` both fit. */
export interface MAuthLogger {
  /** Attempts, and news such as a private key that was renewed. */
  log(message: string): void;
  /** Refusals, and what may need a look. */
  warn(message: string): void;
  /** What keeps requests from being decided or signed. */
  error(message: string): void;
  /** Where it is there, it is called instead of `warn` when a message is refused: for logs that hold fields. */
  refused?(message: string, event: MAuthAuthenticatedEvent): void;
}

/**
 * A shared store of text, such as a Keyv store or a `@nestjs/cache-manager` cache. When it throws or rejects, the
 * MAuth service is asked as if there were no store.
 *
 * @example
 * keys: { secondLevel: new Keyv(new KeyvRedis('redis://localhost')) }
 */
export interface MAuthSecondLevelCache {
  /** The text that is stored; anything else counts as nothing stored. */
  get(key: string): Promise<unknown>;
  /** `ttl` in milliseconds. */
  set(key: string, value: string, ttl: number): Promise<unknown>;
  /** Keyv's name for it. */
  delete?(key: string): Promise<unknown>;
  /** The name of `@nestjs/cache-manager` for it. */
  del?(key: string): Promise<unknown>;
}

/** How public keys are cached. */
export interface MAuthKeyOptions {
  /**
   * How many apps' keys are kept. First go those that have verified no signature yet, then the least recently used; a
   * tenth as many more are kept of the first. Default 10,000.
   */
  maxEntries?: number;
  /** How long after its expiry a key goes on serving while the MAuth service cannot answer; 0 = never. Default 3,600. */
  staleIfErrorSeconds?: number;
  /** How long the MAuth service is not asked about an app again after a failed look-up. Default 10. */
  cooldownSeconds?: number;
  /** How long an app that the MAuth service does not know stays unknown. Default 60. */
  negativeSeconds?: number;
  /** A store that several instances share; the cache in memory stays in front of it. Default none. */
  secondLevel?: MAuthSecondLevelCache;
  /** UUIDs of apps whose keys are fetched at start-up, so that their first requests need not wait. Default none. */
  warmUp?: readonly string[];
}

/** How the MAuth service is called. */
export interface MAuthServiceOptions {
  /** Total time for one question: connecting, sending, reading, repeating. Milliseconds. Default 3,000. */
  deadlineMs?: number;
  /** How many questions may be open at once. Default 50. */
  maxOpenFetches?: number;
  /** Allow `http:` to a host other than the loopback. Default false. */
  allowHttp?: boolean;
  /**
   * An agent of `node:https`, for a proxy or a certificate authority of your own; of `node:http` where `mauthUrl` is
   * `http:`. Default: one that keeps connections alive.
   */
  agent?: Agent;
}

/**
 * Remembers signatures that must not come a second time, for one process or for several.
 *
 * @example
 * const seen: MAuthReplayStore = {
 *   remember: async (key, milliseconds) => (await redis.set(key, '1', { NX: true, PX: milliseconds })) === 'OK',
 * };
 */
export interface MAuthReplayStore {
  /**
   * Remembers a key, in one atomic step: `true` = it was not there, `false` = it was. A throw = it cannot be said, so
   * the request is undecided (503).
   *
   * @param milliseconds how long the key has to be remembered; it may not be forgotten earlier
   */
  remember(key: string, milliseconds: number): boolean | PromiseLike<boolean>;
}

/** How requests that come a second time are refused. */
export interface MAuthReplayOptions {
  /** Methods of the requests that may come only once. Default POST, PUT, PATCH and DELETE. */
  methods?: readonly string[];
  /** How many signatures are remembered in memory; when it is full, requests are undecided (503). Default 100,000. */
  maxEntries?: number;
  /** Instead of memory, for several instances: `redisReplayStore()`, or one of your own. Default none. */
  store?: MAuthReplayStore;
}

/** How bodies that have not been read when the guard runs are held until they are verified. */
export interface MAuthBodyOptions {
  /** Largest body that is held, in bytes; above it the answer is 413. Default 10 MiB. */
  maxHeldBytes?: number;
  /**
   * Bytes held by the whole process; above it the answer is 503. Bodies of which no byte has come for a second or more
   * make room first, those that stalled longest before others: they are answered 503, too. Default 128 MiB.
   */
  maxHeldBytesTotal?: number;
  /** How long a body may take to arrive, in milliseconds; after it the answer is 408. Default 30,000. */
  timeoutMs?: number;
}

/**
 * How responses of a protected application are signed: by the Nest module, `mauthMiddleware` and `mauthPlugin`. For
 * other servers there is `MAuthSigner.signResponse`.
 */
export interface MAuthResponseOptions {
  /** Sign the responses to authenticated requests. Needs a private key. Default false. */
  sign?: boolean;
  /** Largest body that is held to be signed, in bytes; above it the response goes out unsigned. Default 1 MiB. */
  maxBytes?: number;
  /**
   * Whether the application may compress what is signed. A signature covers the bytes as they leave, and callers that
   * decode a response before they verify it find another text. With false the application is told that the caller
   * takes no encoding (`accept-encoding: identity`), also where the caller does. Default true.
   */
  compress?: boolean;
}

/**
 * What the core needs to sign and to authenticate. All of it is validated once, at start-up.
 *
 * @example
 * const options: MAuthOptions = {
 *   appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e',
 *   privateKeyFile: '/run/secrets/mauth.pem',
 *   mauthUrl: 'https://mauth.example.com',
 *   signVersions: 'v1,v2',
 * };
 */
export interface MAuthOptions {
  /** UUID of this app, as registered with the MAuth service. Required. */
  appUuid: string;
  /**
   * RSA private key of this app: PKCS#1 or PKCS#8 PEM (also with literal `\n`, on one line, in quotes, behind "Bag
   * Attributes", as base64 of the PEM or of the DER), a `KeyObject`, or ciphertext for `decryptPrivateKey`. Required to
   * sign, and to ask the MAuth service.
   */
  privateKey?: string | KeyObject;
  /**
   * Path of a file that holds the private key in any of these forms; instead of `privateKey`. A file that changes is
   * read again within some seconds, and its key is used from then on.
   */
  privateKeyFile?: string;
  /** Base URL of the MAuth service. Required to authenticate, unless `findPublicKey` is set. */
  mauthUrl?: string;
  /** Version of the MAuth service's API (not of the protocol). Default `v1`. */
  apiVersion?: string;
  /** `local`: verify here with the app's public key. `remote`: let the MAuth service verify. Default `local`. */
  mode?: 'local' | 'remote';
  /** Versions that outgoing messages are signed with; case and spaces do not matter. Default `v1`. */
  signVersions?: MAuthSignVersions | (string & {});
  /** Refuse V1, which does not cover the query string. Default false. */
  v2OnlyAuthenticate?: boolean;
  /** Do not try V1 when V2 headers are present and inauthentic. Default false. */
  disableFallbackToV1?: boolean;
  /**
   * Decrypts `privateKey`, or what `privateKeyFile` holds, where that is not a key in any accepted form. It gets the
   * bytes behind the base64 and gives the key as text or bytes. When it rejects, the application does not start.
   * `kmsDecryptor()` of `nestjs-mauth/kms` makes one for AWS KMS. Default none.
   */
  decryptPrivateKey?: (ciphertext: Buffer) => Promise<string | Buffer>;
  /**
   * Names for app UUIDs, for `@RequiresMAuth({ apps: ['rave'] })`. Default none.
   *
   * @example
   * apps: { rave: '5ff4257e-9c16-11e0-b048-0026bbfffe5e' }
   */
  apps?: Record<string, string>;
  /** How far a message's time may lie from now, in seconds, both ways. Default 300, at most 900. */
  allowedDriftSeconds?: number;
  /**
   * `strict` refuses requests whose target a router or handler and MAuth could read differently: a raw `#`, absolute
   * form; a path with dot segments, encoded or not, backslashes or NUL; a query that parsers take apart in several
   * ways (an invalid escape beside a valid one, `a=b]=c`, a second `?` in front, more than 1,000 pieces, what is no
   * UTF-8 in another spelling than that of V2; over HTTP/2, raw bytes beyond ASCII). `protocol` leaves them to the signature alone. Default `strict` wherever there is a router
   * or a handler; `MAuthAuthenticator` itself has neither, and applies it only where it is set.
   */
  pathPolicy?: 'strict' | 'protocol';
  /**
   * Path and query as the caller sent them, where a proxy rewrites them. It gets Node's request, before a framework adds
   * anything to it; on Lambda, the event. Believe only a header that the proxy itself writes, on every request. When it
   * throws or returns no text, the request is refused (401). Default: the target in the request line.
   *
   * @example
   * requestTarget: (request) => String((request as IncomingMessage).headers['x-original-uri'])
   */
  requestTarget?: (request: unknown) => string;
  /** Status of the answer when authenticity could not be decided; 500 is what older clients answer. Default 503. */
  undecidedStatus?: 503 | 500;
  /** Write one line per attempt, in the wording that log pipelines of all MAuth clients share. Default true. */
  logAttempts?: boolean;
  /** Where log lines go. Default: Nest's logger in a Nest application, else `console`. */
  logger?: MAuthLogger;
  /** Told of every decision, signature and look-up of a key; see `MAuthObserver`. Default none. */
  observers?: readonly MAuthObserver[];
  /**
   * For development: log why a signature does not match, as `mauth explain` finds it out. Bodies are kept for that, up
   * to 1 MiB each, and one explanation may take the process a second; so it is refused where NODE_ENV is `production`,
   * unless it is `force`. Local mode only. Default false.
   */
  explainFailures?: boolean | 'force';
  /**
   * Finds the public key of an app, instead of the MAuth service. It gets the UUID in lower case. Its answers are cached
   * like the service's: a key for five minutes, `undefined` for `keys.negativeSeconds`. When it throws or rejects, or gives
   * something else than a key, authenticity is undecided (503). Default: the MAuth service is asked.
   *
   * @example
   * findPublicKey: async (appUuid) => (await registry.find(appUuid))?.publicKeyPem
   */
  findPublicKey?: (appUuid: string) => MAuthPublicKey | PromiseLike<MAuthPublicKey>;
  /**
   * Refuse a request whose signature was accepted before (401, `replayed`), by default in memory. Needs
   * `v2OnlyAuthenticate`. Equal requests of one app within one second have equal signatures, so the second of them is
   * refused as well. Default false.
   */
  replayProtection?: boolean | MAuthReplayOptions;
  /** The clock, in milliseconds since 1970. Default `Date.now()`, looked up each time, so fake timers count. */
  now?: () => number;
  /** How public keys are cached. */
  keys?: MAuthKeyOptions;
  /** How the MAuth service is called. */
  service?: MAuthServiceOptions;
  /** How bodies are held until they are verified. */
  body?: MAuthBodyOptions;
  /** Which responses are signed, besides those of handlers with `@SignResponse()`. */
  responses?: MAuthResponseOptions;
}

type Complete<T> = { readonly [K in keyof T]-?: T[K] };

/** `MAuthOptions` after validation: every default filled in, frozen, and without the private key. */
export interface MAuthSettings {
  readonly appUuid: string;
  readonly mauthUrl?: string;
  readonly apiVersion: string;
  readonly mode: 'local' | 'remote';
  readonly signVersions: MAuthSignVersions;
  readonly v2OnlyAuthenticate: boolean;
  readonly disableFallbackToV1: boolean;
  readonly apps: Readonly<Record<string, string>>;
  readonly allowedDriftSeconds: number;
  readonly pathPolicy: 'strict' | 'protocol';
  /** Whether the option was given: if not, its default is for routers and handlers only. */
  readonly isPathPolicySet: boolean;
  readonly requestTarget?: (request: unknown) => string;
  readonly undecidedStatus: 503 | 500;
  readonly logAttempts: boolean;
  readonly logger: MAuthLogger;
  readonly observers: readonly MAuthObserver[];
  readonly explainFailures: boolean;
  readonly findPublicKey?: (appUuid: string) => MAuthPublicKey | PromiseLike<MAuthPublicKey>;
  /** Undefined = off. */
  readonly replayProtection?: Complete<Omit<MAuthReplayOptions, 'store'>> & Pick<MAuthReplayOptions, 'store'>;
  readonly now: () => number;
  readonly keys: Complete<Omit<MAuthKeyOptions, 'secondLevel'>> & Pick<MAuthKeyOptions, 'secondLevel'>;
  readonly service: Complete<Omit<MAuthServiceOptions, 'agent'>> & Pick<MAuthServiceOptions, 'agent'>;
  readonly body: Complete<MAuthBodyOptions>;
  readonly responses: Complete<MAuthResponseOptions>;
}
