import { type MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { BoundedService, type NotAskedError } from '../service/bounded-service.js';
import { lifetimeOf } from './key-lifetime.js';
import { type LookupKind } from '../service/priority-bulkhead.js';
import { moment } from '../service/moment.js';
import { type KeyLookupFailureCode, type PublicKeySource } from '../service/public-key-source.js';
import { type DatedKey } from './shared-key-store.js';
import { ownProperty } from '../protocol/own-properties.js';

/** A source of public keys that is never asked too much at once, and hardly at all while it is down. */
export class BoundedKeySource {
  /** How often the source was asked, and how many of these ended without an answer that could be used. */
  readonly counts = { fetches: 0, failures: 0 };
  readonly #settings: MAuthSettings;
  readonly #source: PublicKeySource;
  readonly #service: BoundedService;

  constructor(settings: MAuthSettings, source: PublicKeySource) {
    this.#settings = settings;
    this.#source = source;
    this.#service = new BoundedService(settings);
  }

  /** Whether the source was down when it was last asked, a moment ago. */
  get isDown(): boolean {
    return this.#service.isDown;
  }

  /** False while the source is down and left alone. */
  get mayAsk(): boolean {
    return this.#service.mayAsk;
  }

  /** Why nothing is asked while the source is down. */
  leftAlone(): NotAskedError {
    return this.#service.leftAlone();
  }

  /**
   * @param started `performance.now()` from which the deadline counts; waiting for a turn is part of it
   * @throws NotAskedError, or MAuthUnableToAuthenticateError as the source throws it
   */
  ask(appUuid: string, kind: LookupKind, started: number): Promise<DatedKey | undefined> {
    return this.#service.ask({
      appUuid,
      kind,
      goesFirstNextTime: true,
      started,
      failureLine: `The public key of app ${appUuid} could not be fetched`,
      ask: (withinMs) => this.#fetch(appUuid, withinMs),
      isOutage,
    });
  }

  close(): void {
    ownProperty(this.#source, 'close')?.call(this.#source);
  }

  async #fetch(appUuid: string, withinMs: number): Promise<DatedKey | undefined> {
    // Before the question, so that the key was good at this time or later.
    const fetchedAt = moment(this.#settings.now);
    this.counts.fetches++;
    try {
      const found = await this.#source.fetch(appUuid, withinMs);
      return (
        found && { key: found.key, fetchedAt, lifetime: lifetimeOf(ownProperty(found, 'maxAgeSeconds')) }
      );
    } catch (error) {
      this.counts.failures++;
      throw error;
    }
  }
}

/** All that a caller chooses of a look-up is which UUID is asked about, so it cannot make one of these happen. */
const OUTAGES: ReadonlySet<string> = new Set([
  'service_unavailable',
  'own_app_refused',
] satisfies KeyLookupFailureCode[]);

function isOutage({ code }: MAuthUnableToAuthenticateError): boolean {
  return OUTAGES.has(code);
}
