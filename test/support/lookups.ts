import { type KeyObject } from 'node:crypto';
import { type MAuthKeyCache } from '../../lib/keys/mauth-key-cache.js';
import { type PublicKeys } from '../../lib/service/public-key-source.js';

/** How a look-up ended, as verification sees it: `key`, `unknown`, or the code of the error. */
export async function outcomeOf(found: ReturnType<PublicKeys['find']>): Promise<string> {
  try {
    return (await found) ? 'key' : 'unknown';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Looks up all apps at once. How many may wait depends on how fast the machine is: who is turned away asks again. */
export function findAll(keys: PublicKeys, appUuids: readonly string[]): Promise<(KeyObject | undefined)[]> {
  return Promise.all(appUuids.map((appUuid) => findPatiently(keys, appUuid)));
}

async function findPatiently(keys: PublicKeys, appUuid: string): Promise<KeyObject | undefined> {
  for (;;) {
    try {
      return await keys.find(appUuid);
    } catch (error) {
      if ((error as { code?: string }).code !== 'too_many_lookups') throw error;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** With the milliseconds that it took. */
export async function timed<T>(work: () => Promise<T>): Promise<[T, ms: number]> {
  const started = performance.now();
  return [await work(), performance.now() - started];
}

/** What is under way in the background comes to its end. */
export async function settle(...caches: readonly MAuthKeyCache[]): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve, 10));
  while (caches.some((cache) => cache.stats().pending > 0));
}

/** Waits for something that another process does. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Collects what was measured; printed at the end, since it is what the documentation promises. */
export function figures(): (situation: string, measured: string) => void {
  const rows: { situation: string; measured: string }[] = [];
  afterAll(() => console.table(rows));
  return (situation, measured) => void rows.push({ situation, measured });
}
