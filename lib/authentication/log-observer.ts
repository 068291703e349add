import { type MAuthAuthenticatedEvent, type MAuthObserver } from '../config/observer.js';
import { type MAuthSettings } from '../config/options.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { HEADERS, type MAuthVersion } from '../protocol/headers.js';

const NONE = '[none provided]';

const VERDICTS = {
  inauthentic: 'is inauthentic',
  undecided: 'could not be authenticated',
  forbidden: 'is not allowed',
} as const;

/** Writes the log lines about what is authenticated: a caller never learns why it was refused, so the log must. */
export class LogObserver implements MAuthObserver {
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

  authenticated(event: MAuthAuthenticatedEvent): void {
    const { logger } = this.#settings;
    const { outcome, code, detail, appUuid = NONE, usedFallback, handler } = ownProperties(event);
    // The wording after a fallback is fixed as well.
    if (usedFallback && outcome === 'authentic') {
      logger.warn('Completed successful authentication attempt after fallback to v1');
    }
    if (outcome === 'authentic') return;
    const where = handler === undefined ? '' : ` at ${handler}`;
    const why = detail === undefined ? code : `${code}: ${detail}`;
    const line = `MAuth: ${subjectOf(ownProperties(event))} from app ${appUuid} ${VERDICTS[outcome]}${where} (${why})`;
    const refused = ownProperty(logger, 'refused');
    if (typeof refused === 'function') refused.call(logger, line, event);
    else logger.warn(line);
  }
}

function subjectOf({ source, method, path, status }: MAuthAuthenticatedEvent): string {
  if (source === 'response') return status === undefined ? 'a malformed response' : `response ${status}`;
  return method === undefined || path === undefined ? 'a malformed request' : `${method} ${path}`;
}
