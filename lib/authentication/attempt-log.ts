import { type MAuthSettings } from '../config/options.js';
import { HEADERS } from '../protocol/headers.js';
import { StatusLine, type MAuthVersion, type MessageHead } from '../protocol/string-to-sign.js';
import { type MAuthFailure } from './result.js';

const NONE = '[none provided]';
const MAX_PATH = 256;

type LogSettings = Pick<MAuthSettings, 'appUuid' | 'logger' | 'logAttempts'>;

/**
 * The line that log pipelines of all MAuth clients read; its wording is fixed. As the Ruby client, it names a version
 * only together with an app: both are read from one header, which is well-formed or says nothing.
 */
export function logAttempt(settings: LogSettings, version?: MAuthVersion, appUuid?: string): void {
  if (!settings.logAttempts) return;
  const token = version && appUuid ? HEADERS[version].token : NONE;
  settings.logger.log(
    `Mauth-client attempting to authenticate request from app with mauth app uuid ${appUuid ?? NONE} ` +
      `to app with mauth app uuid ${settings.appUuid} using version ${token}.`,
  );
}

/** After V2 failed and V1 held; the wording is fixed as well. */
export function logFallback({ logger }: LogSettings): void {
  logger.warn('Completed successful authentication attempt after fallback to v1');
}

/** Why a message was refused: the caller never learns it, so the log must. */
export function logFailure(
  { logger }: LogSettings,
  { code, status }: MAuthFailure,
  head: MessageHead | undefined,
  appUuid: string = NONE,
): void {
  const verdict = status === 401 ? 'is inauthentic' : 'could not be authenticated';
  logger.warn(`MAuth: ${subject(head)} from app ${appUuid} ${verdict} (${code})`);
}

function subject(head: MessageHead | undefined): string {
  if (!head) return 'a malformed request';
  return head instanceof StatusLine ? `response ${head.status}` : `${head.method} ${printable(head.path)}`;
}

/** Text of a request, fit for a log line: short, and every character beyond plain ASCII escaped. */
export function printable(text: string): string {
  const short = text.length > MAX_PATH ? `${text.slice(0, MAX_PATH)}…` : text;
  return short.replace(
    /[^\x20-\x7e…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
