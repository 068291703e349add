import { channel, tracingChannel } from 'node:diagnostics_channel';
import {
  type MAuthAuthenticatedEvent,
  type MAuthKeyFetchedEvent,
  type MAuthObserver,
  type MAuthSignedEvent,
} from '../config/observer.js';
import { MAuthError, MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { ownProperty } from '../protocol/own-properties.js';
import { printable } from './printable.js';

// By name, the CommonJS and the ES module copy of this package have the same channels.
const AUTHENTICATE = channel('nestjs-mauth:authenticate');
const SIGN = channel('nestjs-mauth:sign');
const KEY_FETCH = tracingChannel<unknown, KeyFetch>('nestjs-mauth:key_fetch');

/** An attempt to get a key, while it is under way; what becomes known of it is filled in. */
export type KeyFetch = Pick<MAuthKeyFetchedEvent, 'appUuid' | 'reason' | 'attempt'> & {
  -readonly [Name in 'status' | 'found' | 'maxAge' | 'code']?: MAuthKeyFetchedEvent[Name];
};

/** What events need of the settings. */
export type EventSettings = Pick<MAuthSettings, 'observers' | 'logger'>;

/** Tells the observers of an application, and the subscribers of the process, what MAuth decides and does. */
export class MAuthEvents {
  readonly #observers: MAuthSettings['observers'];
  readonly #logger: MAuthSettings['logger'];

  constructor({ observers, logger }: EventSettings) {
    this.#observers = observers;
    this.#logger = logger;
  }

  /** Whether anybody would be told of a decision: if not, no event need be made. */
  get areDecisionsObserved(): boolean {
    return this.#observers.length > 0 || AUTHENTICATE.hasSubscribers;
  }

  get areSignaturesObserved(): boolean {
    return this.#observers.length > 0 || SIGN.hasSubscribers;
  }

  authenticated(event: MAuthAuthenticatedEvent): void {
    if (!this.areDecisionsObserved) return;
    this.#tell('authenticated', Object.freeze(event));
    if (AUTHENTICATE.hasSubscribers) AUTHENTICATE.publish(event);
  }

  signed(event: MAuthSignedEvent): void {
    this.#tell('signed', Object.freeze(event));
    if (SIGN.hasSubscribers) SIGN.publish(event);
  }

  /**
   * Runs one attempt to get a key. Subscribers of the channel see neither what it came to, which holds the key, nor the
   * error as it was thrown, whose cause may be the application's own.
   *
   * @param attempt fills in what it learns
   */
  async keyFetch<T>(fetch: KeyFetch, attempt: (fetch: KeyFetch) => Promise<T>): Promise<T> {
    // All of it is asked about: `hasSubscribers` of the channels together is not there in every version of Node.
    const { start, end, asyncStart, asyncEnd, error } = KEY_FETCH;
    const isTraced =
      start.hasSubscribers ||
      end.hasSubscribers ||
      asyncStart.hasSubscribers ||
      asyncEnd.hasSubscribers ||
      error.hasSubscribers;
    if (!isTraced && this.#observers.length === 0) return attempt(fetch);
    const started = performance.now();
    let settled: () => T = () => {
      throw new MAuthUnableToAuthenticateError('service_unavailable', 'The attempt came to nothing.');
    };
    const run = async () => {
      try {
        const value = await attempt(fetch);
        settled = () => value;
      } catch (error) {
        fetch.code = error instanceof MAuthError ? error.code : 'service_unavailable';
        settled = () => {
          throw error;
        };
        throw new MAuthUnableToAuthenticateError(fetch.code, 'The attempt failed.');
      }
    };
    try {
      await (isTraced ? KEY_FETCH.tracePromise(run, fetch) : run());
    } catch {
      // `settled` has the error itself.
    } finally {
      const { appUuid, reason, attempt: count, status, found, maxAge, code } = fetch;
      const durationMs = performance.now() - started;
      const event = {
        appUuid,
        reason,
        attempt: count,
        ...known({ status, found, maxAge, code }),
        durationMs,
      };
      this.#tell('keyFetched', Object.freeze(event));
    }
    return settled();
  }

  #tell<Name extends keyof MAuthObserver>(
    name: Name,
    event: Parameters<NonNullable<MAuthObserver[Name]>>[0],
  ): void {
    for (const observer of this.#observers) {
      try {
        const told = tellerOf(observer, name)?.call(observer, event);
        // Where a promise of any make rejects and is not looked at, Node ends the process.
        if (told !== undefined) {
          Promise.resolve(told).then(undefined, (error: unknown) => this.#failed(name, error));
        }
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  #failed(name: string, error: unknown): void {
    try {
      const message: unknown = ownProperty(error, 'message') ?? error;
      const why = typeof message === 'string' ? `: ${printable(message)}` : '';
      this.#logger.error(`MAuth: \`${name}\` of one of the \`observers\` failed${why}`);
    } catch {
      // Logger and error are not ours, and either may be what has failed.
    }
  }
}

function tellerOf(observer: MAuthObserver, name: keyof MAuthObserver) {
  return ownProperty(observer, name) as ((event: unknown) => unknown) | undefined;
}

/** Without what is not known: an event shows only what there is. */
export function known<T extends object>(fields: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]: Exclude<T[Name], undefined>;
  };
}
