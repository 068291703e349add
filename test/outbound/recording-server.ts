import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo } from 'node:net';
import { type MAuthResult } from '../../lib/authentication/result.js';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { type TestApp } from '../support/test-app.js';

/** A request as it came off the wire, and what the authenticator makes of it. */
export interface RecordedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: string[];
  readonly body: Buffer;
  /** By its V1 headers alone. */
  readonly v1: MAuthResult;
  /** By its V2 headers alone. */
  readonly v2: MAuthResult;
}

export type Answer = (response: ServerResponse, request: RecordedRequest) => void;

/** An HTTP server that records and authenticates everything it receives. */
export class RecordingServer {
  readonly requests: RecordedRequest[] = [];
  readonly #answers: Answer[] = [];
  readonly #authenticator: MAuthAuthenticator;
  readonly server: Server;

  constructor(app: TestApp, create: (listener: RequestListener) => Server = createServer) {
    this.#authenticator = new MAuthAuthenticator({
      appUuid: app.appUuid,
      findPublicKey: (appUuid) => (appUuid === app.appUuid ? app.publicKeyPem : undefined),
      logAttempts: false,
      logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
    });
    this.server = create((request, response) => void this.handle(request, response));
  }

  /** Listens on a free port of the loopback, or on a Unix socket. */
  async start(socketPath?: string): Promise<this> {
    await new Promise<void>((resolve) => {
      if (socketPath) this.server.listen(socketPath, resolve);
      else this.server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get last(): RecordedRequest {
    return this.requests[this.requests.length - 1];
  }

  /** How the next requests are answered, in this order; after that 200 with a short text. */
  answer(...answers: Answer[]): void {
    this.#answers.push(...answers);
  }

  reset(): void {
    this.requests.length = 0;
    this.#answers.length = 0;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The client went away.
    }
    const recorded = await this.#record(request, Buffer.concat(chunks));
    this.requests.push(recorded);
    const answer = this.#answers.shift() ?? ok;
    answer(response, recorded);
  }

  async #record(request: IncomingMessage, body: Buffer): Promise<RecordedRequest> {
    const { method = '', url = '', rawHeaders } = request;
    const pairs = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name, rawHeaders[index + 1]] as const] : [],
    );
    const authenticate = (other: RegExp) =>
      this.#authenticator.authenticateRequest({
        method,
        url,
        headers: pairs.filter(([name]) => !other.test(name)),
        body,
      });
    return {
      method,
      target: url,
      headers: request.headers,
      rawHeaders,
      body,
      v1: await authenticate(/^mcc-/i),
      v2: await authenticate(/^x-mws-/i),
    };
  }
}

const ok: Answer = (response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end('received');
};

export function answerWith(status: number, headers: Record<string, string> = {}, body = ''): Answer {
  return (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

export function redirectTo(status: number, location: string): Answer {
  return answerWith(status, { Location: location }, 'moved');
}

/** Names of the MAuth headers that arrived. */
export function mauthHeaders({ headers }: RecordedRequest): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('mcc-') || name.startsWith('x-mws-'));
}

/** Fails unless both versions' signatures are the app's over exactly what arrived. */
export function expectAuthentic(request: RecordedRequest, { appUuid }: TestApp): void {
  expect({ v1: request.v1, v2: request.v2 }).toEqual({
    v1: { authentic: true, appUuid, protocolVersion: 1 },
    v2: { authentic: true, appUuid, protocolVersion: 2 },
  });
}
