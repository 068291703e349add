import { wrongUsage } from './exit-codes.js';

/** A port from `--port`; 0 is any that is free. */
export function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw wrongUsage('--port takes a number from 0 (any free one) to 65535.');
}
