import { isTime, pickHeaders, readAuthentication } from '../../protocol/headers.js';
import { wrongUsage } from '../exit-codes.js';

/** App and time that a request names, V2 before V1; undefined where they cannot be read. */
export function presentedBy(headers: readonly (readonly [string, string])[]): {
  readonly appUuid?: string;
  /** Seconds since 1970. */
  readonly time?: number;
} {
  const { v1, v2 } = pickHeaders(headers);
  const [version, pair] = v2.authentication === undefined ? ([1, v1] as const) : ([2, v2] as const);
  const { appUuid } = readAuthentication(version, pair.authentication ?? '');
  return {
    ...(appUuid === undefined ? {} : { appUuid }),
    ...(isTime(pair.time) ? { time: Number(pair.time) } : {}),
  };
}

/** Seconds since 1970 from `--now`. */
export function secondsFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (isTime(text)) return Number(text);
  throw wrongUsage('--now takes seconds since 1970, such as 1763700000.');
}
