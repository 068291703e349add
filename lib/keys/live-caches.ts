/** As much of a cache as is watched. */
export interface WatchedCache {
  /** How many keys may serve, and how many of them are past their lifetime. */
  condition(): { readonly usable: number; readonly stale: number };
}

// By a global name: the CommonJS and the ES module copy of this package have their caches in one list.
const CACHES = Symbol.for('nestjs-mauth:key-caches');
const shared = globalThis as { [CACHES]?: Set<WeakRef<WatchedCache>> };
const references = shared[CACHES] ?? new Set<WeakRef<WatchedCache>>();
if (!shared[CACHES]) Object.defineProperty(shared, CACHES, { value: references });

/** Notes a cache for those who watch the process as a whole; that keeps nothing alive. */
export function noteCache(cache: WatchedCache): void {
  liveCaches(); // Forgets those that are gone.
  references.add(new WeakRef(cache));
}

/** A cache that was closed holds keys that are no longer asked for. */
export function forgetCache(cache: WatchedCache): void {
  for (const reference of references) if (reference.deref() === cache) references.delete(reference);
}

/** The caches of this process that are in use. */
export function liveCaches(): readonly WatchedCache[] {
  const caches: WatchedCache[] = [];
  for (const reference of references) {
    const cache = reference.deref();
    if (cache) caches.push(cache);
    else references.delete(reference);
  }
  return caches;
}
