import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAppUuid } from '../../protocol/headers.js';
import { readPublicKey, UnusableKeyError } from '../../protocol/rsa-keys.js';
import { FakeMAuthService, type MAuthServiceFault } from '../../testing/fake-mauth-service.js';
import { CommandFailure, EXIT, wrongConfiguration, wrongUsage } from '../exit-codes.js';
import { interrupted } from '../interrupted.js';
import { portOf } from '../port.js';
import { type Terminal } from '../terminal.js';

export interface ServeFlags {
  readonly keys: string;
  readonly port: string;
  readonly maxAge?: string;
  readonly fault?: string;
}

/** `mauth serve`: a MAuth service for work without a network. */
export async function serve(flags: ServeFlags, terminal: Terminal): Promise<number> {
  const keys = keysIn(flags.keys);
  const fault = faultOf(flags.fault);
  const maxAge = secondsOf(flags.maxAge);
  const service = await started(portOf(flags.port));
  for (const [appUuid, pem] of keys) service.register(appUuid, pem);
  if (maxAge !== undefined) service.maxAge(maxAge);
  if (fault !== undefined) service.fail(fault);
  terminal.print(`MAUTH_URL=${service.url}`);
  terminal.note(`Knows ${keys.length} app${keys.length === 1 ? '' : 's'} of ${flags.keys}. Ctrl+C ends it.`);
  for (const [appUuid] of keys) terminal.note(`  ${appUuid}`, 'dim');
  await interrupted();
  await service.stop();
  return EXIT.interrupted;
}

const NAME = /^(.+)\.pub\.pem$/i;

function keysIn(folder: string): [appUuid: string, pem: string][] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(`--keys names a folder that cannot be read (${code}): ${JSON.stringify(folder)}.`);
  }
  const keys = names.sort().flatMap((name): [string, string][] => {
    const appUuid = NAME.exec(name)?.[1];
    if (appUuid === undefined) return [];
    if (!isAppUuid(appUuid))
      throw wrongConfiguration(`${name} must be named after the app: <app UUID>.pub.pem.`);
    return [[appUuid.toLowerCase(), checkedKey(join(folder, name))]];
  });
  if (keys.length > 0) return keys;
  throw wrongConfiguration(
    `${folder} holds no <app UUID>.pub.pem; "mauth keygen --out ${folder}" makes one.`,
  );
}

function checkedKey(path: string): string {
  const pem = readFileSync(path, 'utf8');
  try {
    readPublicKey(pem);
  } catch (error) {
    if (!(error instanceof UnusableKeyError)) throw error;
    throw wrongConfiguration(`${path} cannot be used. ${error.message}`);
  }
  return pem;
}

const FAULTS = ['hang', 'refuse', 'malformed', 'other_app', 'redirect', 'endless', 'oversized'] as const;

function faultOf(text: string | undefined): MAuthServiceFault | undefined {
  if (text === undefined) return undefined;
  if (/^[2-5]\d\d$/.test(text)) return Number(text);
  const kind = FAULTS.find((name) => name === text);
  if (kind) return kind;
  throw wrongUsage(`--fault takes a status from 200 to 599, or one of: ${FAULTS.join(', ')}.`);
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw wrongUsage('--max-age takes seconds, such as 300.');
}

async function started(port: number): Promise<FakeMAuthService> {
  try {
    return await FakeMAuthService.start({ port });
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new CommandFailure(EXIT.usage, `Port ${port} cannot be used (${code}); set --port to another one.`);
  }
}
