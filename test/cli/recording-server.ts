import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { type AddressInfo, type Socket } from 'node:net';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { LOOPBACK_CERTIFICATE } from '../support/loopback-certificate.js';
import { type TestApp } from '../support/test-app.js';

/** A request as it came. */
export interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How the server answers. */
export interface Answering {
  status?: number;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** What is signed where it is not the body. */
  signedBody?: string;
  /** Signs as this app; without it, the answer is not signed. */
  as?: TestApp | undefined;
  /** No answer at all. */
  hangs?: boolean;
}

/** A server that records what comes, and answers as it is told. */
export class RecordingServer {
  readonly requests: Recorded[] = [];
  answering: Answering = {};
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(private readonly isTls = false) {
    const server = isTls ? createTlsServer(LOOPBACK_CERTIFICATE) : createServer();
    server.on('connection', (socket: Socket) => this.#sockets.add(socket));
    server.on('request', (request, response) => void this.#answer(request, response));
    this.#server = server;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `${this.isTls ? 'https' : 'http'}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get last(): Recorded {
    return this.requests.at(-1)!;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    this.requests.push({
      method,
      url,
      headers: headers as Recorded['headers'],
      body: Buffer.concat(chunks),
    });
    const { status = 200, headers: own = {}, body = '{"ok":true}', as, signedBody, hangs } = this.answering;
    if (hangs) return;
    const signature = as
      ? await new MAuthSigner({
          appUuid: as.appUuid,
          privateKey: as.privateKey,
          signVersions: 'v1,v2',
        }).signResponse({
          status,
          body: method === 'HEAD' || status === 204 || status === 304 ? '' : (signedBody ?? body),
        })
      : {};
    response.writeHead(status, { ...own, ...signature }).end(body);
  }
}
