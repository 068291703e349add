import { type MAuthLogger } from '../../lib/core.js';

/** A logger that keeps its lines, each with its level in front. */
export class RecordedLog implements MAuthLogger {
  readonly lines: string[] = [];

  log(message: string): void {
    this.lines.push(`log: ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn: ${message}`);
  }

  error(message: string): void {
    this.lines.push(`error: ${message}`);
  }
}
