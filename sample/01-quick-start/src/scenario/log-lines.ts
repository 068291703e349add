import { type MAuthLogger } from 'nestjs-mauth';

/** Keeps log lines: the caller of a service never learns why it was refused, the log does. */
export class LogLines implements MAuthLogger {
  /** Called with each line as it is written. */
  print: (line: string) => void = () => undefined;
  #lines: string[] = [];

  log(): void {
    // Start-up and attempts are of no interest here.
  }

  warn(line: string): void {
    this.#lines.push(line);
    this.print(line);
  }

  error(line: string): void {
    this.warn(line);
  }

  /** The reasons that were logged since they were last taken. */
  takeReasons(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines.map((line) => /\b[a-z]+(_[a-z0-9]+)+(?=(?:: \w+)?\)?$)/.exec(line)?.[0] ?? line);
  }
}
