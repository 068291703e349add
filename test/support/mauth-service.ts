import { type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { isAppUuid } from '../../lib/protocol/headers.js';
import { stringToSign, verifySignature } from '../../lib/protocol/index.js';
import { createTestApp, type TestApp } from './test-app.js';

/** What a registered app's security token is made of. */
type RegisteredApp = Pick<TestApp, 'appUuid' | 'publicKey' | 'publicKeyPem'>;

/** Answers one request instead of the stand-in; the body has been read. */
export type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export interface MAuthServiceStandInOptions {
  /** Apps that the service knows from the start: those that ask it, and those that are asked about. */
  apps?: readonly RegisteredApp[];
  /** Default `max-age=300, private`. */
  cacheControl?: string;
}

/**
 * A MAuth service over real HTTP: hands out security tokens and checks authentication tickets, and itself checks
 * the signature of everything that it is asked. It can be told to lose, revoke and rotate keys, to answer anything
 * else, and to go down and come back on the same port.
 */
export class MAuthServiceStandIn {
  /** Sent with each security token; undefined = no such header. */
  cacheControl: string | undefined;
  /** Why requests were refused for their own signature. */
  readonly refusals: string[] = [];
  /** Headers of every request, in order. */
  readonly seenHeaders: IncomingMessage['headers'][] = [];
  /** How many connections were opened. */
  connections = 0;
  /** How long it thinks about each request. */
  latencyMs = 0;
  /** The most requests that were open at one moment. */
  mostOpen = 0;

  readonly #apps = new Map<string, RegisteredApp>();
  readonly #fetches = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  #tickets = 0;
  #open = 0;
  #answer: Answer | undefined;
  #server: Server | undefined;
  #port = 0;

  private constructor(options: MAuthServiceStandInOptions) {
    this.cacheControl = 'cacheControl' in options ? options.cacheControl : 'max-age=300, private';
    options.apps?.forEach((app) => this.register(app));
  }

  static async start(options: MAuthServiceStandInOptions = {}): Promise<MAuthServiceStandIn> {
    const service = new MAuthServiceStandIn(options);
    await service.comeBack();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  register(app: RegisteredApp): void {
    this.#apps.set(app.appUuid.toLowerCase(), app);
  }

  /** The app is forgotten: 404 from now on. */
  revoke(app: string | RegisteredApp): void {
    this.#apps.delete((typeof app === 'string' ? app : app.appUuid).toLowerCase());
  }

  /** Gives the app a fresh key pair; the old key is no longer handed out. */
  rotate(app: RegisteredApp): TestApp {
    const renewed = createTestApp(app.appUuid);
    this.register(renewed);
    return renewed;
  }

  /** How many security tokens were asked for, of one app or of all. */
  fetches(app?: string | Pick<TestApp, 'appUuid'>): number {
    if (app === undefined) return [...this.#fetches.values()].reduce((sum, count) => sum + count, 0);
    return this.#fetches.get((typeof app === 'string' ? app : app.appUuid).toLowerCase()) ?? 0;
  }

  /** How many authentication tickets were handed in. */
  get tickets(): number {
    return this.#tickets;
  }

  /** How many connections are open. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Drops its records, so that it does not grow over a long run. */
  forgetRequests(): void {
    this.#fetches.clear();
    this.seenHeaders.length = 0;
    this.refusals.length = 0;
  }

  /** From now on every request is counted and then answered like this; undefined = properly again. */
  answerWith(answer: Answer | undefined): void {
    this.#answer = answer;
  }

  /** Accepts requests and never answers. */
  hang(): void {
    this.answerWith(() => undefined);
  }

  /** Refuses connections, and cuts those that are open. */
  async goDown(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  /** Listens again on the same port. */
  async comeBack(): Promise<void> {
    const server = createServer((request, response) => void this.#receive(request, response));
    server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  close(): Promise<void> {
    return this.goDown();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostOpen = Math.max(this.mostOpen, ++this.#open);
    response.on('close', () => this.#open--);
    this.seenHeaders.push(request.headers);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    } catch {
      return; // The caller hung up.
    }
    this.#respond(request, response, Buffer.concat(chunks));
  }

  #respond(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const [path = ''] = (request.url ?? '').split('?');
    const token = /^\/mauth\/v1\/security_tokens\/([^/]+)\.json$/.exec(path);
    const appUuid = token?.[1]?.toLowerCase();
    if (appUuid) this.#fetches.set(appUuid, this.fetches(appUuid) + 1);
    const isTicket = path === '/mauth/v1/authentication_tickets.json';
    if (isTicket) this.#tickets++;
    if (this.#answer) return this.#answer(request, response, body);

    const refusal = this.#refusal(request, body);
    if (refusal) {
      this.refusals.push(refusal);
      return send(response, 401, { errors: { mauth: ['Unauthorized'] } });
    }
    if (appUuid && request.method === 'GET') return this.#sendToken(response, appUuid);
    if (isTicket && request.method === 'POST') return this.#judge(response, body);
    send(response, 404, { errors: ['Not found'] });
  }

  /** Why the request itself is not authentic; undefined when it is. */
  #refusal(request: IncomingMessage, body: Buffer): string | undefined {
    const v2 = request.headers['mcc-authentication'];
    const v1 = request.headers['x-mws-authentication'];
    const header = String(v2 ?? v1 ?? '');
    const parts = (v2 ? /^MWSV2 ([^:]+):([^;]+);$/ : /^MWS ([^:]+):(.+)$/).exec(header);
    const [, appUuid = '', signature = ''] = parts ?? [];
    const app = this.#apps.get(appUuid.toLowerCase());
    if (!app) return `not signed by a known app: ${header.slice(0, 50)}`;
    const time = String(request.headers[v2 ? 'mcc-time' : 'x-mws-time']);
    if (Math.abs(Date.now() / 1000 - Number(time)) > 300) return `signed at ${time}`;
    const { method = '', url = '' } = request;
    const message = { method, url, body, appUuid, time };
    return isSigned(v2 ? 2 : 1, app.publicKey, message, signature) ? undefined : 'signature does not match';
  }

  #sendToken(response: ServerResponse, appUuid: string): void {
    const app = this.#apps.get(appUuid);
    if (!app) return send(response, 404, { errors: ['Unable to find app'] });
    if (this.cacheControl !== undefined) response.setHeader('cache-control', this.cacheControl);
    send(response, 200, securityToken(app));
  }

  /** Remote mode: 204 when the signature in the ticket is the app's, 412 when it is not, 404 for an unknown app. */
  #judge(response: ServerResponse, body: Buffer): void {
    const { authentication_ticket: ticket } = JSON.parse(body.toString()) as {
      authentication_ticket: Record<string, string>;
    };
    const { verb: method = '', app_uuid: appUuid = '', request_url = '', request_time: time = '' } = ticket;
    const app = isAppUuid(appUuid) ? this.#apps.get(appUuid.toLowerCase()) : undefined;
    if (!app) return send(response, 404, { errors: ['Unable to find app'] });
    const version = ticket.token === 'MWSV2' ? 2 : 1;
    const url = ticket.query_string ? `${request_url}?${ticket.query_string}` : request_url;
    const message = { method, url, body: Buffer.from(ticket.b64encoded_body ?? '', 'base64'), appUuid, time };
    if (isSigned(version, app.publicKey, message, ticket.client_signature ?? ''))
      response.writeHead(204).end();
    else send(response, 412, { errors: { mauth: ['Signature does not match'] } });
  }
}

/** What the service says of an app. */
export function securityToken(app: Pick<RegisteredApp, 'appUuid' | 'publicKeyPem'>): {
  security_token: object;
} {
  return {
    security_token: {
      app_name: 'an-app',
      app_uuid: app.appUuid,
      public_key_str: app.publicKeyPem,
      created_at: '2020-01-01T00:00:00Z',
    },
  };
}

export function send(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(json));
}

function isSigned(
  version: 1 | 2,
  key: KeyObject,
  message: Parameters<typeof stringToSign>[1],
  signature: string,
) {
  try {
    return verifySignature(version, key, stringToSign(version, message), Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
