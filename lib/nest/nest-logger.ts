import { Logger } from '@nestjs/common';
import { type MAuthAuthenticatedEvent } from '../config/observer.js';
import { type MAuthLogger } from '../config/options.js';
import { ownProperty } from '../protocol/own-properties.js';

/** The logger of the application. Where it writes objects, lines about refused messages come with their fields. */
export class NestLogger extends Logger implements MAuthLogger {
  refused(message: string, event: MAuthAuthenticatedEvent): void {
    const { localInstance } = this;
    // As pino has it: the fields, and the message behind them.
    if (isPino(localInstance)) this.warn({ ...event }, message);
    else if (isJsonConsole(localInstance)) this.warn({ message, ...event });
    else this.warn(message);
  }
}

/** `ConsoleLogger` with `json: true`. */
function isJsonConsole(logger: unknown): boolean {
  return ownProperty(ownProperty(logger, 'options'), 'json') === true;
}

/** The logger of nestjs-pino. */
function isPino(logger: unknown): boolean {
  const pino = ownProperty(ownProperty(logger, 'logger'), 'logger');
  return typeof ownProperty(pino, 'bindings') === 'function';
}
