import { connect } from 'node:net';
import { type Duplex } from 'node:stream';
import { portOf } from './destination.js';

/** Connections that are passed on unread, for `CONNECT`. */
export class Tunnels {
  readonly #sockets = new Set<Duplex>();
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Resolves with the status that the client got. */
  open(client: Duplex, to: URL, head: Buffer): Promise<200 | 502 | 504> {
    const target = connect(portOf(to), to.hostname.replace(/^\[(.*)\]$/, '$1'));
    this.#keep(client);
    this.#keep(target);
    return new Promise((resolve) => {
      let isOpen = false;
      const fail = (status: 502 | 504) => {
        if (isOpen) return void client.destroy();
        answerRaw(client, status, `${to.host} cannot be reached.`);
        resolve(status);
      };
      const timer = setTimeout(() => (fail(504), target.destroy()), this.#timeoutMs);
      target.on('error', () => (clearTimeout(timer), fail(502)));
      target.on('connect', () => {
        clearTimeout(timer);
        isOpen = true;
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        if (head.length > 0) target.write(head);
        client.pipe(target);
        target.pipe(client);
        resolve(200);
      });
      client.on('close', () => (clearTimeout(timer), target.destroy()));
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** An answer where Node gives only the socket. */
export function answerRaw(socket: Duplex, status: number, text: string): void {
  const body = Buffer.from(`mauth proxy: ${text}\n`);
  const head =
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Refused'}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  socket.on('error', () => undefined);
  socket.end(Buffer.concat([Buffer.from(head), body]));
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  504: 'Gateway Timeout',
};
