import { type IncomingHttpHeaders } from 'node:http';
import CachePolicy from 'http-cache-semantics';
import { ownProperty } from '../protocol/own-properties.js';

/**
 * For how many seconds an answer says that it stays good: Cache-Control, Age and Expires as RFC 9111 reads them for
 * a private cache (so `s-maxage` means nothing here). 0 when it says nothing, or nothing sensible: the cache has a
 * floor below which it does not go.
 */
export function freshnessSeconds(headers: IncomingHttpHeaders): number {
  const cacheControl = ownProperty(headers, 'cache-control')?.toLowerCase();
  // Section 4.2.1: a directive that comes twice makes the answer stale.
  if ((cacheControl?.match(/(?<![\w-])max-age\b/g)?.length ?? 0) > 1) return 0;
  const known = {
    'cache-control': cacheControl,
    age: ownProperty(headers, 'age'),
    expires: ownProperty(headers, 'expires'),
    date: ownProperty(headers, 'date'),
  };
  const present = Object.fromEntries(
    Object.entries(known).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  const policy = new CachePolicy(
    { headers: {}, method: 'GET' },
    { status: 200, headers: present },
    { shared: false },
  );
  const seconds = policy.maxAge() - Math.max(0, policy.age());
  return Number.isFinite(seconds) ? Math.max(0, Math.round(seconds)) : 0;
}
