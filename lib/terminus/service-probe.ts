import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type KeyLookupFailureCode } from '../service/public-key-source.js';
import { Cooldown, moment, type Moment } from '../service/cooldown.js';
import { SecurityTokenClient } from '../service/security-token-client.js';
import { TimedOutError, within } from '../service/within.js';
import { type MAuthSigner } from '../signing/mauth-signer.js';

/** What a probe found out. */
export interface ProbeResult {
  readonly ownKey: 'usable' | 'unusable' | 'not_used';
  readonly service: 'reachable' | 'unreachable' | 'not_used';
  /** When the service last answered a probe about this app. */
  readonly answeredAt: Moment | undefined;
}

/** For how long one result stands, in milliseconds. */
const RESULT_LASTS = 1000;

const PROBES = new WeakMap<MAuthSettings, ServiceProbe>();

/** The probe of an application: one, however many health indicators it makes. */
export function probeOf(settings: MAuthSettings, signer: MAuthSigner): ServiceProbe {
  let probe = PROBES.get(settings);
  if (!probe) PROBES.set(settings, (probe = new ServiceProbe(settings, signer)));
  return probe;
}

/**
 * Asks the MAuth service for the security token of this app itself: the answer shows whether the service can be
 * reached, and whether it takes the signatures of this app. It goes past circuit breaker and bulkhead, because it has
 * to notice at once that the service is back, and asks at most once a second.
 */
export class ServiceProbe {
  readonly #settings: MAuthSettings;
  /** Undefined where no keys come from the service. */
  readonly #client: SecurityTokenClient | undefined;
  #question: Promise<ProbeResult> | undefined;
  #standing: Cooldown | undefined;
  #result: ProbeResult;

  constructor(settings: MAuthSettings, signer: MAuthSigner) {
    const { mauthUrl, findPublicKey, mode } = settings;
    const isUsed = mauthUrl !== undefined && (mode === 'remote' || !findPublicKey);
    this.#settings = settings;
    this.#client = isUsed ? new SecurityTokenClient(settings, signer) : undefined;
    this.#result = {
      ownKey: signer.canSign ? 'usable' : 'not_used',
      service: isUsed ? 'unreachable' : 'not_used',
      answeredAt: undefined,
    };
  }

  /**
   * Joins the question that is under way, or answers what was found out less than a second ago, or asks. Never rejects.
   *
   * @param deadlineMs a service that has not answered within this time is unreachable
   */
  async ask(deadlineMs: number): Promise<ProbeResult> {
    const client = this.#client;
    if (!client || this.#standing?.lasts) return this.#result;
    this.#question ??= this.#ask(client, deadlineMs).finally(() => (this.#question = undefined));
    const question = this.#question;
    try {
      return await within(deadlineMs, () => question);
    } catch (error) {
      if (!(error instanceof TimedOutError)) throw error;
      return this.#unreachable();
    }
  }

  close(): void {
    this.#client?.close();
  }

  async #ask(client: SecurityTokenClient, deadlineMs: number): Promise<ProbeResult> {
    const { appUuid, now } = this.#settings;
    try {
      const found = await client.fetchOnce(appUuid, deadlineMs);
      this.#result = {
        ownKey: found ? 'usable' : 'unusable',
        service: 'reachable',
        answeredAt: moment(now),
      };
    } catch (error) {
      this.#result = OWN_FAULTS.has(codeOf(error))
        ? { ...this.#result, ownKey: 'unusable', service: 'reachable' }
        : this.#unreachable();
    }
    this.#standing = new Cooldown(now, RESULT_LASTS);
    return this.#result;
  }

  /** Nothing new is known of the own key: what the service said of it last still holds. */
  #unreachable(): ProbeResult {
    return { ...this.#result, service: 'unreachable' };
  }
}

/** The service is there, and what is wrong is this app's own record or key. */
const OWN_FAULTS: ReadonlySet<string | undefined> = new Set([
  'own_app_refused',
  'unusable_public_key',
] satisfies KeyLookupFailureCode[]);

function codeOf(error: unknown): string | undefined {
  return error instanceof MAuthUnableToAuthenticateError ? error.code : undefined;
}
