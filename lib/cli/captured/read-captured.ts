import { wrongUsage } from '../exit-codes.js';
import { readInput } from '../outgoing-request.js';
import { type CapturedRequest } from './captured-request.js';
import { readCurlLine } from './curl-line.js';
import { readHarEntry } from './har-entry.js';
import { readWireRequest } from './wire-request.js';

export interface CapturedFlags {
  readonly curl?: string;
  readonly har?: string;
  readonly entry?: string;
}

/** Reads the request that a command is about: a file or stdin as on the wire, a curl line, or an entry of a HAR. */
export async function readCaptured(
  file: string | undefined,
  { curl, har, entry }: CapturedFlags,
): Promise<CapturedRequest> {
  const sources = [file, curl, har].filter((source) => source !== undefined);
  if (sources.length > 1) throw wrongUsage('Give one request: a file, --curl, or --har.');
  if (curl !== undefined) return readCurlLine(curl);
  if (har !== undefined) return readHarEntry((await readInput(har, '--har')).toString(), placeOf(entry));
  if (file === undefined && process.stdin.isTTY) {
    throw wrongUsage('No request: name a file that holds one as on the wire, or use --curl or --har.');
  }
  return readWireRequest(await readInput(file ?? '-', 'The request'));
}

function placeOf(entry: string | undefined): number | undefined {
  if (entry === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(entry)) return Number(entry);
  throw wrongUsage('--entry takes the place of a request in the HAR file, from 1.');
}
