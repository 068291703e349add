import { hash, randomBytes } from 'node:crypto';

const SECONDS_REMEMBERED = 60;
/** Times that are told apart; more count as this many. */
export const MOST_TIMES = 15;

const BUCKETS = 1 << 17;
const PLACES_PER_BUCKET = 4;
/** A state holds seconds in its upper bits, and how many times in its lower ones; 0 = the place is free. */
const TIMES_BITS = 4;
const SECONDS_MASK = 2 ** (32 - TIMES_BITS) - 1;

/**
 * Which apps were turned away within the last minute, and how often. It takes 4 MiB once the first app was turned
 * away, and never more: an app is remembered by 32 bits of a digest, and where too many share a bucket, one that was
 * turned away less often, or longer ago, is forgotten. The digest is salted, so that an attacker cannot choose UUIDs that
 * share the bucket of an app.
 */
export class TurnedAway {
  readonly #salt = randomBytes(16).toString('hex');
  #fingerprints = new Uint32Array(0);
  #states = new Uint32Array(0);

  /** How often the app was turned away, at most `MOST_TIMES`. */
  times(appUuid: string): number {
    const place = this.#find(this.#digest(appUuid));
    return place === undefined ? 0 : this.#timesAt(place);
  }

  /** The app was turned away now. */
  note(appUuid: string): void {
    if (this.#states.length === 0) {
      this.#fingerprints = new Uint32Array(BUCKETS * PLACES_PER_BUCKET);
      this.#states = new Uint32Array(BUCKETS * PLACES_PER_BUCKET);
    }
    const digest = this.#digest(appUuid);
    const known = this.#find(digest);
    const place = known ?? this.#roomFor(digest);
    const times = known === undefined ? 1 : Math.min(this.#timesAt(known) + 1, MOST_TIMES);
    this.#fingerprints[place] = digest.fingerprint;
    this.#states[place] = (((now() & SECONDS_MASK) << TIMES_BITS) | times) >>> 0;
  }

  /** The app was let in. */
  forget(appUuid: string): void {
    const place = this.#find(this.#digest(appUuid));
    if (place !== undefined) this.#states[place] = 0;
  }

  #digest(appUuid: string): Digest {
    const digest = hash('sha256', this.#salt + appUuid, 'hex');
    const bucket = Number.parseInt(digest.slice(8, 16), 16) % BUCKETS;
    return { fingerprint: Number.parseInt(digest.slice(0, 8), 16), first: bucket * PLACES_PER_BUCKET };
  }

  /** The place of an app that is remembered. */
  #find({ fingerprint, first }: Digest): number | undefined {
    if (this.#states.length === 0) return undefined;
    for (let place = first; place < first + PLACES_PER_BUCKET; place++) {
      if (this.#fingerprints[place] === fingerprint && this.#timesAt(place) > 0) return place;
    }
    return undefined;
  }

  /** A place in the app's bucket that is free, or that of the app that was turned away least often, or longest ago. */
  #roomFor({ first }: Digest): number {
    let best = first;
    for (let place = first; place < first + PLACES_PER_BUCKET; place++) {
      const [times, bestTimes] = [this.#timesAt(place), this.#timesAt(best)];
      const isBetter = times < bestTimes || (times === bestTimes && this.#ageAt(place) > this.#ageAt(best));
      if (isBetter) best = place;
    }
    return best;
  }

  /** 0 for a place that is free, or was taken too long ago. */
  #timesAt(place: number): number {
    const state = this.#states[place] ?? 0;
    return this.#ageAt(place) < SECONDS_REMEMBERED ? state & MOST_TIMES : 0;
  }

  /** Seconds. */
  #ageAt(place: number): number {
    return (now() - ((this.#states[place] ?? 0) >>> TIMES_BITS)) & SECONDS_MASK;
  }
}

interface Digest {
  readonly fingerprint: number;
  /** The first place of the bucket. */
  readonly first: number;
}

function now(): number {
  return Math.floor(performance.now() / 1000);
}
