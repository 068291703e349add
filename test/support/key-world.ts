import { type KeyObject } from 'node:crypto';
import { MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { createKeyPair } from './key-pair.js';
import { collectingLogger, settingsOf } from './key-settings.js';
import { SimulatedClock } from './simulated-clock.js';
import { SimulatedKeySource, type AskedQuestion } from './simulated-key-source.js';
import { createTestApp } from './test-app.js';

const own = createTestApp();
const KEYS = Array.from({ length: 5 }, () => createKeyPair().publicKey);
export const APPS = [1, 2, 3, 4].map((n) => `0000000${n}-0000-4000-8000-000000000000`);
export const COOLDOWN = 10;
export const NEGATIVE = 60;
export const STALE = 1200;

/** A key of an app, and from when until when the service handed it out; seconds. */
interface Reign {
  readonly key: KeyObject;
  readonly from: number;
  until: number;
}

/** A question, and what made the cache ask it. */
export interface CausedQuestion extends AskedQuestion {
  readonly cause: 'find' | 'newer';
}

/** A request that was accepted. */
export interface Acceptance {
  readonly appUuid: string;
  readonly key: KeyObject;
  readonly at: number;
}

/**
 * Callers, a cache and a source under a simulated clock. What it remembers of keys and outages is the model against
 * which the cache is held.
 */
export class KeyWorld {
  readonly clock = new SimulatedClock();
  readonly source = new SimulatedKeySource(this.clock.now);
  readonly cache: MAuthKeyCache;
  readonly questions: CausedQuestion[] = [];
  readonly invalidations: { appUuid: string; at: number }[] = [];
  readonly #reigns = new Map<string, Reign[]>(APPS.map((appUuid) => [appUuid, []]));
  #upSince = -Infinity;
  #changedAt = new Map<string, number>();

  constructor(readonly lifetime: number) {
    const { settings } = settingsOf(own, {
      mauthUrl: 'https://mauth.example.com',
      now: this.clock.now,
      logger: collectingLogger(),
      keys: { cooldownSeconds: COOLDOWN, negativeSeconds: NEGATIVE, staleIfErrorSeconds: STALE },
    });
    this.source.maxAgeSeconds = lifetime;
    this.cache = new MAuthKeyCache(settings, this.source);
    for (const appUuid of APPS) this.rotate(appUuid);
    this.#changedAt.clear();
  }

  get seconds(): number {
    return this.clock.now() / 1000;
  }

  /** For how long the service has been up; 0 while it is down. */
  get upFor(): number {
    return this.source.isDown ? 0 : this.seconds - this.#upSince;
  }

  /** For how long nothing has happened to the app's registration. */
  unchangedFor(appUuid: string): number {
    return this.seconds - (this.#changedAt.get(appUuid) ?? -Infinity);
  }

  /** Also registers an app that was revoked. */
  rotate(appUuid: string): void {
    this.revoke(appUuid);
    const reigns = this.#reigns.get(appUuid) as Reign[];
    const key = KEYS[reigns.length % KEYS.length];
    reigns.push({ key, from: this.seconds, until: Infinity });
    this.source.keys.set(appUuid, key);
  }

  revoke(appUuid: string): void {
    const current = this.#reigns.get(appUuid)?.at(-1);
    if (current && current.until === Infinity) current.until = this.seconds;
    this.source.keys.delete(appUuid);
    this.#changedAt.set(appUuid, this.seconds);
  }

  setDown(isDown: boolean): void {
    if (this.source.isDown && !isDown) this.#upSince = this.seconds;
    this.source.isDown = isDown;
  }

  invalidate(appUuid: string): void {
    this.cache.invalidate(appUuid);
    this.invalidations.push({ appUuid, at: this.seconds });
  }

  /** A request signed with the key that the app had so many rotations ago; verification as it is done for real. */
  async request(appUuid: string, rotationsAgo: number): Promise<Acceptance | undefined> {
    const signedWith = this.#reigns.get(appUuid)?.at(-1 - rotationsAgo)?.key;
    const found = await this.#asking('find', async () => this.cache.find(appUuid)).catch(() => undefined);
    if (!found || !signedWith) return undefined;
    const newer = found.equals(signedWith)
      ? found
      : await this.#asking('newer', () => this.cache.findNewer(appUuid, found));
    return newer?.equals(signedWith) ? { appUuid, key: signedWith, at: this.seconds } : undefined;
  }

  /** How long ago the key was last handed out by the service. */
  staleness({ appUuid, key, at }: Acceptance): number {
    const reigns = this.#reigns.get(appUuid)?.filter((reign) => reign.key.equals(key)) ?? [];
    return Math.max(0, at - Math.max(...reigns.map(({ until }) => until)));
  }

  /** Runs to the end of what it set off in the background, and notes what was asked meanwhile. */
  async #asking<T>(cause: CausedQuestion['cause'], work: () => Promise<T>): Promise<T> {
    const before = this.source.asked.length;
    try {
      return await work();
    } finally {
      await new Promise(setImmediate);
      for (const question of this.source.asked.slice(before)) this.questions.push({ ...question, cause });
    }
  }
}
