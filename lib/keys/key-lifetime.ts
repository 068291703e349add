/** Also for `no-store`: without a floor, each request would ask the MAuth service. Milliseconds, as all below. */
const FLOOR = 300_000;
/** A key that was revoked must not go on for longer. */
const CAP = 3_600_000;
/** From this share of its lifetime on, a key that is in use is fetched again in the background. */
const REFRESH_FROM = 0.8;
/** Spread over this much of it, so that keys fetched together are not all fetched again together. */
const REFRESH_SPREAD = 0.1;

/** How long a key is good, from what its source says. */
export function lifetimeOf(maxAgeSeconds = 0): number {
  const lifetime = maxAgeSeconds * 1000;
  return lifetime > FLOOR ? Math.min(lifetime, CAP) : FLOOR;
}

/** Whether this can have come from `lifetimeOf`. */
export function isLifetime(lifetime: number): boolean {
  return lifetime >= FLOOR && lifetime <= CAP;
}

/** At which age a key is due to be fetched again. */
export function refreshAge(lifetime: number): number {
  return lifetime * (REFRESH_FROM + REFRESH_SPREAD * Math.random());
}
