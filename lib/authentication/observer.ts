import { type MAuthSettings } from '../config/options.js';
import { HEADERS, type MAuthVersion } from '../protocol/headers.js';
import { StatusLine, type MessageHead } from '../protocol/string-to-sign.js';

const NONE = '[none provided]';
const MAX_PATH = 256;

/** A decision about a message. */
export interface AuthenticationEvent {
  readonly outcome: 'authentic' | 'inauthentic' | 'undecided' | 'forbidden';
  /** Why, unless it is authentic. */
  readonly code?: string;
  /** The message in a few words, fit for a log line; see `subjectOf`. */
  readonly subject: string;
  /** The app that the message names, as sent. */
  readonly appUuid?: string | undefined;
  /** V2 did not hold, and V1 did. */
  readonly usedFallback?: boolean;
  /** Class and method of the handler that decided. */
  readonly place?: string;
}

const VERDICTS = {
  inauthentic: 'is inauthentic',
  undecided: 'could not be authenticated',
  forbidden: 'is not allowed',
} as const;

/** Writes the log lines about what is authenticated: a caller never learns why it was refused, so the log must. */
export class LogObserver {
  readonly #settings: Pick<MAuthSettings, 'appUuid' | 'logger' | 'logAttempts'>;

  constructor(settings: Pick<MAuthSettings, 'appUuid' | 'logger' | 'logAttempts'>) {
    this.#settings = settings;
  }

  /**
   * The line that log pipelines of all MAuth clients read; its wording is fixed. As the Ruby client, it names a version
   * only together with an app: both are read from one header, which is well-formed or says nothing.
   */
  attempted(version?: MAuthVersion, appUuid?: string): void {
    if (!this.#settings.logAttempts) return;
    const token = version && appUuid ? HEADERS[version].token : NONE;
    this.#settings.logger.log(
      `Mauth-client attempting to authenticate request from app with mauth app uuid ${appUuid ?? NONE} ` +
        `to app with mauth app uuid ${this.#settings.appUuid} using version ${token}.`,
    );
  }

  authenticated({ outcome, code, subject, appUuid = NONE, usedFallback, place }: AuthenticationEvent): void {
    const { logger } = this.#settings;
    // The wording after a fallback is fixed as well.
    if (usedFallback) logger.warn('Completed successful authentication attempt after fallback to v1');
    if (outcome === 'authentic') return;
    const where = place === undefined ? '' : ` at ${place}`;
    logger.warn(`MAuth: ${subject} from app ${appUuid} ${VERDICTS[outcome]}${where} (${code})`);
  }
}

/** A message in a few words, fit for a log line; undefined for one that cannot be read. */
export function subjectOf(head: MessageHead | undefined): string {
  if (!head) return 'a malformed request';
  return head instanceof StatusLine ? `response ${head.status}` : requestSubject(head.method, head.path);
}

/** A request in a few words, fit for a log line. */
export function requestSubject(method: string, path: string): string {
  return `${printable(method)} ${printable(path)}`;
}

/** Text of a request, fit for a log line: short, and every character beyond plain ASCII escaped. */
export function printable(text: string): string {
  const short = text.length > MAX_PATH ? `${text.slice(0, MAX_PATH)}…` : text;
  return short.replace(
    /[^\x20-\x7e…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
