import { once } from 'node:events';
import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Answers go to stdout, everything about them to stderr. */
export class Terminal {
  readonly #color: boolean | undefined;

  /** @param color whether there are colours; undefined: on a terminal, unless NO_COLOR is set */
  constructor(color?: boolean) {
    this.#color = color;
  }

  /** Writes to stdout, as it is. */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }

  /** Writes a line to stdout. */
  print(line: string, style?: Style): void {
    process.stdout.write(`${this.#painted(process.stdout, line, style)}\n`);
  }

  /** Writes a line to stderr. */
  note(line: string, style?: Style): void {
    process.stderr.write(`${this.#painted(process.stderr, line, style)}\n`);
  }

  #painted(stream: NodeJS.WriteStream, text: string, style?: Style): string {
    const isColored = this.#color ?? (stream.isTTY && !process.env.NO_COLOR);
    // The stream has been looked at above.
    return style && isColored ? styleText(style, text, { validateStream: false }) : text;
  }
}
