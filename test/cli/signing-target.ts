import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { SigningProxy, type SigningProxyOptions } from '../../lib/cli/proxy/signing-proxy.js';
import { MAuthTestingModule } from '../../lib/testing/index.js';

export const caller = MAuthTestingModule.caller();
export const targetApp = MAuthTestingModule.caller();

/** What came to the target. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly isAuthentic: boolean;
}

type Answerer = (request: IncomingMessage, response: ServerResponse, arrived: Arrived) => unknown;

const settings = {
  appUuid: targetApp.appUuid,
  logAttempts: false,
  logger: { log() {}, warn() {}, error() {} },
};

/** Authenticates what targets and callers of these tests sign. */
export function authenticatorOfTests(
  findPublicKey: (appUuid: string) => Promise<string | undefined> = async (appUuid) =>
    [caller, targetApp].find((app) => app.appUuid === appUuid)?.publicKey,
): MAuthAuthenticator {
  return new MAuthAuthenticator({ ...settings, findPublicKey });
}

/** A target that keeps what arrives, byte by byte, and answers with a signature. */
export class SigningTarget {
  readonly arrived: Arrived[] = [];
  answer: Answerer = (_, response) => this.signed(response, 200, Buffer.from('well'));
  readonly #authenticator = authenticatorOfTests();
  readonly #server = createServer((request, response) => void this.#receive(request, response));
  port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async signed(response: ServerResponse, status: number, body: Buffer, headers: object = {}): Promise<void> {
    const isEmpty = response.req.method === 'HEAD' || status === 204 || status === 304;
    const signature = await targetApp.signer.signResponse({ status, body: isEmpty ? null : body });
    response.writeHead(status, { ...signature, ...headers }).end(body);
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const { method = '', url = '', rawHeaders, headers } = request;
    const { authentic } = await this.#authenticator.authenticateRequest({ method, url, headers, body });
    const arrived = { method, url, rawHeaders, body, isAuthentic: authentic };
    this.arrived.push(arrived);
    await this.answer(request, response, arrived);
  }
}

/** Starts a proxy; its lines are in `lines`. */
export async function startProxy(
  options: Omit<SigningProxyOptions, 'signer'> & { signer?: SigningProxyOptions['signer'] },
) {
  const lines: string[] = [];
  const proxy = new SigningProxy({ signer: caller.signer, log: (line) => lines.push(line), ...options });
  const { url, port } = await proxy.listen(0);
  return { proxy, url, port, lines };
}

export interface WireAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

/** Writes bytes, and reads the answer until the connection is closed. */
export async function onTheWire(
  port: number,
  text: string | Buffer,
  host = '127.0.0.1',
): Promise<WireAnswer> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => socket.on('close', resolve));
  const all = Buffer.concat(chunks);
  const end = all.indexOf('\r\n\r\n');
  const head = all.subarray(0, Math.max(end, 0)).toString('latin1');
  return { status: Number(head.split(' ')[1]), head, body: all.subarray(end + 4) };
}

/** A request as bytes; the connection is closed after it. */
export function wire(startLine: string, headers: readonly string[], body = ''): string {
  return [`${startLine} HTTP/1.1`, ...headers, 'Connection: close', '', body].join('\r\n');
}
