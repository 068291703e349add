import { Inject, Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import {
  HealthIndicatorService,
  type HealthIndicatorResult,
  type HealthIndicatorStatus,
} from '@nestjs/terminus';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { MAuthKeyCache, type KeyCondition } from '../keys/mauth-key-cache.js';
import { MAUTH_SETTINGS } from '../nest/tokens.js';
import { ownProperty } from '../protocol/own-properties.js';
import { elapsedSince } from '../service/cooldown.js';
import { MAuthSigner } from '../signing/mauth-signer.js';
import { probeOf, type ProbeResult, type ServiceProbe } from './service-probe.js';

/** What `MAuthHealthIndicator` reports beside `status`. */
export interface MAuthHealth {
  /**
   * `unusable`: the MAuth service refuses the signatures of this app, does not know the app, or holds a public key of it
   * that cannot be used. While the service cannot be reached, what it said last holds. `not_used`: the application has
   * no private key and needs none.
   */
  ownKey: 'usable' | 'unusable' | 'not_used';
  /** `not_used`: public keys come from `findPublicKey`, or no requests are authenticated, so there is nothing to ask. */
  service: 'reachable' | 'unreachable' | 'not_used';
  /** Whole seconds since the last answer of the source of public keys, to a probe or a look-up; null before the first. */
  lastSuccessAgeSeconds: number | null;
  /** Whether requests are checked with keys past their lifetime, because no newer ones can be had. */
  servingStale: boolean;
  /** How many public keys are in memory and may serve; 0 in remote mode, where the MAuth service itself decides. */
  cachedKeys: number;
}

export interface MAuthHealthOptions {
  /**
   * How long the MAuth service may take to answer, in milliseconds; at most `service.deadlineMs`. Default 500: Kubernetes
   * waits one second for a probe, and takes one that is late for one that failed.
   */
  deadlineMs?: number;
}

const DEADLINE_MS = 500;

const NO_KEYS: KeyCondition = { usable: 0, stale: 0, isServingStale: false, answeredAt: undefined };

/**
 * A health indicator for `@nestjs/terminus`. It asks the MAuth service for the security token of this app itself, once
 * a second at most, however often and by however many it is called.
 *
 * `down`: the own key is unusable, or the service cannot be reached and no key is cached, so that no request could be
 * authenticated. `degraded`: keys past their lifetime are served. Else `up`, also while the service cannot be reached
 * and the cached keys are good.
 *
 * @example
 * @Controller('health')
 * class HealthController {
 *   constructor(
 *     private readonly health: HealthCheckService,
 *     private readonly mauth: MAuthHealthIndicator,
 *   ) {}
 *
 *   @Public()
 *   @Get()
 *   @HealthCheck()
 *   check() {
 *     return this.health.check([() => this.mauth.isHealthy()]);
 *   }
 * }
 *
 * @Module({
 *   imports: [TerminusModule],
 *   controllers: [HealthController],
 *   providers: [MAuthHealthIndicator],
 * })
 * class HealthModule {}
 */
@Injectable()
export class MAuthHealthIndicator implements OnApplicationShutdown {
  readonly #indicators: HealthIndicatorService;
  readonly #settings: MAuthSettings;
  /** Undefined where cached keys decide about no requests: in remote mode, and where none are authenticated. */
  readonly #keys: MAuthKeyCache | undefined;
  readonly #probe: ServiceProbe;

  /** @internal made by Nest alone */
  constructor(
    @Inject(HealthIndicatorService) indicators: HealthIndicatorService,
    @Inject(MAUTH_SETTINGS) settings: MAuthSettings,
    @Inject(MAuthSigner) signer: MAuthSigner,
    @Optional() @Inject(MAuthKeyCache) keys?: MAuthKeyCache,
  ) {
    this.#indicators = indicators;
    this.#settings = settings;
    this.#keys = settings.mode === 'remote' ? undefined : keys;
    this.#probe = probeOf(settings, signer);
  }

  /**
   * @param key under which the result stands in the health check
   * @param options `deadlineMs`: how long the MAuth service may take, in milliseconds; default 500
   * @returns `{ [key]: { status, ownKey, service, lastSuccessAgeSeconds, servingStale, cachedKeys } }`, the status
   * `up`, `degraded` or `down`; versions of terminus that know no `degraded` get `up` with `servingStale: true`
   * @throws MAuthConfigurationError where `deadlineMs` is no number of milliseconds; nothing else
   *
   * @example
   * this.health.check([() => this.mauth.isHealthy('mauth', { deadlineMs: 300 })]);
   */
  async isHealthy<const Key extends string = 'mauth'>(
    key: Key = 'mauth' as Key,
    options: MAuthHealthOptions = {},
  ): Promise<HealthIndicatorResult<Key, HealthIndicatorStatus, MAuthHealth>> {
    const probed = await this.#probe.ask(deadlineOf(options));
    const keys = this.#keys?.condition() ?? NO_KEYS;
    const health = this.#healthOf(probed, keys);
    const session: Session<Key> = this.#indicators.check(key);
    if (isDown(health)) return session.down({ ...health });
    if (health.servingStale && session.degraded) return session.degraded({ ...health });
    return session.up({ ...health });
  }

  onApplicationShutdown(): void {
    this.#probe.close();
  }

  #healthOf({ ownKey, service, answeredAt }: ProbeResult, keys: KeyCondition): MAuthHealth {
    const ages = [answeredAt, keys.answeredAt].flatMap((moment) =>
      moment ? elapsedSince(moment, this.#settings.now) : [],
    );
    return {
      ownKey,
      service,
      lastSuccessAgeSeconds: ages.length > 0 ? Math.floor(Math.min(...ages) / 1000) : null,
      servingStale: keys.isServingStale || (service === 'unreachable' && keys.stale > 0),
      cachedKeys: keys.usable,
    };
  }
}

type Report<Key extends string> = (
  health: Record<string, unknown>,
) => HealthIndicatorResult<Key, HealthIndicatorStatus, MAuthHealth>;

/** What terminus gives to report with. */
interface Session<Key extends string> {
  readonly up: Report<Key>;
  readonly down: Report<Key>;
  /** From terminus 12.1 on. */
  readonly degraded?: Report<Key>;
}

function isDown({ ownKey, service, cachedKeys }: MAuthHealth): boolean {
  return ownKey === 'unusable' || (service === 'unreachable' && cachedKeys === 0);
}

function deadlineOf(options: MAuthHealthOptions): number {
  const deadlineMs: unknown = ownProperty(options, 'deadlineMs') ?? DEADLINE_MS;
  // Longer timers than that fire at once.
  if (typeof deadlineMs === 'number' && deadlineMs >= 1 && deadlineMs < 2 ** 31) return deadlineMs;
  throw new MAuthConfigurationError('MAuthHealthIndicator: `deadlineMs` must be a number of milliseconds.');
}
