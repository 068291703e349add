import { HEADERS } from '../protocol/headers.js';

const NAMES: ReadonlySet<string> = new Set(
  Object.values(HEADERS).flatMap(({ authentication, time }) => [
    authentication.toLowerCase(),
    time.toLowerCase(),
  ]),
);

/** Whether a header, whatever the case of its name, belongs to MAuth. */
export function isMAuthHeader(name: string): boolean {
  return NAMES.has(name.toLowerCase());
}
