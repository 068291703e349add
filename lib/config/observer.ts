/** A decision about a message that came in. It holds no signature, body, query or key. */
export interface MAuthAuthenticatedEvent {
  /**
   * - `authentic`: the app has signed the message
   * - `inauthentic`: it has not, or nothing says that it has (401)
   * - `undecided`: that could not be told (503), or the body could not be had (400, 408, 413)
   * - `forbidden`: it has, but is not the app that was expected (403)
   */
  readonly outcome: 'authentic' | 'inauthentic' | 'undecided' | 'forbidden';
  /** Why, unless it is authentic: an `MAuthFailureCode`, or one of what surrounds authentication. */
  readonly code?: string;
  /**
   * With `signature_mismatch`, where this process has the public key: whether another key made the signature, or this one
   * over another message. Never for the caller.
   */
  readonly detail?: 'other_key' | 'other_message';
  /** The app that the message names, in lower case; verified only where the outcome says so. */
  readonly appUuid?: string;
  /** The version that held; of a refused message, the one that was presented first. */
  readonly protocolVersion?: 1 | 2;
  /** V2 did not hold, and V1 did. */
  readonly usedFallback: boolean;
  readonly source: 'request' | 'response';
  /** Of a request that could be read; short and printable. */
  readonly method?: string;
  /** Without query; short and printable. */
  readonly path?: string;
  /** Of a response. */
  readonly status?: number;
  /** Class and method of the handler that the app may not call. */
  readonly handler?: string;
  /** From the head of the message to the decision: waiting for its body, and for a key, is part of it. */
  readonly durationMs: number;
}

/** A message that was signed. */
export interface MAuthSignedEvent {
  readonly kind: 'request' | 'response';
  /** Which signatures it carries. */
  readonly versions: 'v1' | 'v2' | 'v1,v2';
  /** What signing took, in milliseconds. */
  readonly durationMs: number;
  /** Length of the body that is covered, in bytes. */
  readonly bodyBytes: number;
}

/** One attempt to get the public key of an app, from the MAuth service or from `findPublicKey`. */
export interface MAuthKeyFetchedEvent {
  /** In lower case. */
  readonly appUuid: string;
  /** The key was not in memory, was due to be fetched again, or a signature did not match it. */
  readonly reason: 'absent' | 'refresh' | 'mismatch';
  /** From 1 on. */
  readonly attempt: number;
  /** With which the MAuth service answered. */
  readonly status?: number;
  /** Whether there is such an app; undefined where that was not learned. */
  readonly found?: boolean;
  /** For how many seconds the source vouches for the key. */
  readonly maxAge?: number;
  /** Why the attempt failed. */
  readonly code?: string;
  readonly durationMs: number;
}

/**
 * Is told what MAuth decides and does, for metrics, traces and audits; see the option `observers`. An observer is called
 * while a request is under way, so it should be quick. One that throws, or rejects, changes no answer: the log says so.
 *
 * @example
 * const audit: MAuthObserver = {
 *   authenticated: ({ outcome, appUuid, method, path }) => trail.write({ outcome, appUuid, method, path }),
 * };
 * MAuthModule.forRoot({ ...mauthOptionsFromEnv(), observers: [audit] });
 */
export interface MAuthObserver {
  /** Once for each request and response that was to be authenticated; only `forbidden` may follow an `authentic`. */
  authenticated?(event: MAuthAuthenticatedEvent): void | Promise<void>;
  /** Once for each signing: attempts and redirects of one request are signed anew. */
  signed?(event: MAuthSignedEvent): void | Promise<void>;
  /** Once for each attempt to get a public key. */
  keyFetched?(event: MAuthKeyFetchedEvent): void | Promise<void>;
}
