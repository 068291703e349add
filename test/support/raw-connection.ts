import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** A connection on which a test writes bytes as it likes, whatever a HTTP client would say to them. */
export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;
  /** Methods of requests whose answers are to come; those to HEAD have no body. */
  readonly #heads: boolean[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        this.#isClosed = true;
        this.#wake();
      });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  /** Resolves once the bytes are with the kernel; text stands for one byte per character. */
  write(bytes: string | Uint8Array): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => this.#socket.write(buffer, () => resolve()));
  }

  /** Writes the head of a request; the body, if any, is for the test to write. */
  writeHead(startLine: string, headers: Readonly<Record<string, string | number>> = {}): Promise<void> {
    this.#heads.push(startLine.startsWith('HEAD '));
    const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    return this.write(`${startLine} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  }

  /** The next answer; undefined when the server closes the connection without one. */
  async answer(): Promise<RawAnswer | undefined> {
    for (;;) {
      const answer = this.#parse();
      if (answer?.status === 100) continue;
      if (answer) return answer;
      if (this.#isClosed) return undefined;
      await this.#change();
    }
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#change();
  }

  /** Goes away without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #parse(): RawAnswer | undefined {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [statusLine = '', ...lines] = this.#received.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const status = Number(statusLine.split(' ')[1]);
    const length = status === 100 || this.#heads[0] ? 0 : Number(headers['content-length'] ?? 0);
    if (this.#received.length < end + 4 + length) return undefined;
    const text = this.#received.subarray(end + 4, end + 4 + length).toString();
    this.#received = this.#received.subarray(end + 4 + length);
    if (status !== 100) this.#heads.shift();
    return { status, headers, text };
  }
}
