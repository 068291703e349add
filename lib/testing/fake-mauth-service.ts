import { createPublicKey, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { MAuthConfigurationError } from '../config/errors.js';
import { isAppUuid } from '../protocol/headers.js';
import { verifySignature } from '../protocol/signature.js';
import { stringToSign, type RequestMessage } from '../protocol/string-to-sign.js';
import { generateMAuthKeyPair, type MAuthKeyPair } from './key-pairs.js';
import { publicKeyOfCaller } from './test-caller.js';

/**
 * What goes wrong instead of a proper answer:
 *
 * - a number: that HTTP status, without a body that could be used;
 * - `hang`: the connection is accepted, and no answer comes;
 * - `refuse`: each connection is reset at once;
 * - `malformed`: 200 with JSON that is cut off;
 * - `other_app`: 200 with the key of the right app under the UUID of another one;
 * - `redirect`: 302 to the same place;
 * - `endless`: 200 with a body that goes on until the caller hangs up;
 * - `oversized`: 200 with a proper answer in a megabyte of white space;
 * - a function: answers itself. The body of the question has been read.
 *
 * An authentication ticket (`mode: 'remote'`) is answered by the status alone, so the kinds with 200 say there that the
 * request is authentic.
 */
export type MAuthServiceFault =
  | number
  | 'hang'
  | 'refuse'
  | 'malformed'
  | 'other_app'
  | 'redirect'
  | 'endless'
  | 'oversized'
  | MAuthServiceAnswer;

/** Answers in place of the service. */
export type MAuthServiceAnswer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A question that the service was asked. */
export interface MAuthServiceCall {
  readonly kind: 'security_token' | 'authentication_ticket' | 'other';
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** The app that the question is about, in lower case. */
  readonly appUuid?: string;
  /** The status of the answer; undefined while there is none. */
  status?: number;
  /** Why the question itself was answered with 401. */
  refusal?: string;
}

export interface FakeMAuthServiceOptions {
  /** Default: a free one. The service listens on 127.0.0.1 only. */
  port?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

interface RegisteredApp {
  /** As it was registered, and as it is answered. */
  readonly appUuid: string;
  readonly pem: string;
  readonly key: KeyObject;
}

/** Seconds that a question may be older or younger than the clock of the service. */
const DRIFT_SECONDS = 300;
const TOKEN_PATH = /^\/mauth\/v1\/security_tokens\/([^/]+)\.json$/;
const TICKET_PATH = '/mauth/v1/authentication_tickets.json';

/**
 * A MAuth service over real HTTP, for tests and for work without a network: hands out public keys (security tokens),
 * decides about signatures (authentication tickets), and itself checks the signature of what it is asked. Callers of
 * `MAuthTestingModule` may ask at once; what may be asked about is registered.
 *
 * @example
 * const mauth = await FakeMAuthService.start();
 * mauth.register(rave);
 * // the application under test gets mauthUrl: mauth.url
 * mauth.fail('hang', { times: 1 });
 * await mauth.stop();
 */
export class FakeMAuthService {
  /** Every question since the start, in order. */
  readonly calls: MAuthServiceCall[] = [];
  /** For subclasses that listen to its events, say to count connections. */
  protected readonly server: Server;
  readonly #apps = new Map<string, RegisteredApp>();
  readonly #revoked = new Set<string>();
  readonly #sockets = new Set<Socket>();
  readonly #now: () => number;
  #port: number;
  #cacheControl: string | undefined;
  #latencyMs = 0;
  #fault: MAuthServiceFault | undefined;
  #faultsLeft = 0;

  /** It does not listen yet: `start` makes it listen, and so does `restart`. */
  protected constructor({ port = 0, now = () => Date.now() }: FakeMAuthServiceOptions = {}) {
    this.#port = port;
    this.#now = now;
    this.server = createServer((request, response) => void this.#receive(request, response));
    this.server.on('connection', (socket) => {
      if (this.#fault === 'refuse' && this.#takeFault()) return void socket.resetAndDestroy();
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @throws the error of `listen`, such as EADDRINUSE */
  static async start(options: FakeMAuthServiceOptions = {}): Promise<FakeMAuthService> {
    const service = new FakeMAuthService(options);
    await service.restart();
    return service;
  }

  /**
   * For the option `mauthUrl`; that also needs `service: { allowHttp: true }` unless it is a loopback address. It stays
   * the same while the service is stopped.
   */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * Makes an app known, or gives it another key.
   *
   * @param app a caller of `MAuthTestingModule`, or an app UUID
   * @param publicKey PEM; not needed for a caller
   * @throws MAuthConfigurationError where there is no UUID or no key
   */
  register(app: string | { readonly appUuid: string; readonly publicKey: string }, publicKey?: string): this {
    const appUuid = uuidOf(app);
    const pem = publicKey ?? (typeof app === 'string' ? undefined : app.publicKey);
    if (!isAppUuid(appUuid))
      throw new MAuthConfigurationError('FakeMAuthService.register needs an app UUID.');
    if (!pem) {
      throw new MAuthConfigurationError(
        'FakeMAuthService.register needs a public key (PEM) beside the app UUID, or a caller instead of both.',
      );
    }
    this.#apps.set(appUuid.toLowerCase(), { appUuid, pem, key: createPublicKey(pem) });
    this.#revoked.delete(appUuid.toLowerCase());
    return this;
  }

  /** Gives the app a fresh key pair, and returns it; the old key is no longer handed out. */
  async rotate(app: string | { readonly appUuid: string }): Promise<MAuthKeyPair> {
    const pair = await generateMAuthKeyPair();
    this.register(uuidOf(app), pair.publicKey);
    return pair;
  }

  /** The app is unknown from now on, and may not ask either. */
  revoke(app: string | { readonly appUuid: string }): void {
    const appUuid = uuidOf(app).toLowerCase();
    this.#apps.delete(appUuid);
    this.#revoked.add(appUuid);
  }

  /** Public keys come with `Cache-Control: max-age=…, private` from now on. */
  maxAge(seconds: number): void {
    this.cacheControl(`max-age=${seconds}, private`);
  }

  /**
   * Public keys come with this `Cache-Control` from now on.
   *
   * @param value such as `no-store`; undefined, as at the start: without one
   */
  cacheControl(value: string | undefined): void {
    this.#cacheControl = value;
  }

  /** Each question waits this long from now on, before it is answered or goes wrong. */
  latency(milliseconds: number): void {
    this.#latencyMs = milliseconds;
  }

  /**
   * From now on something goes wrong.
   *
   * @param fault what; undefined: all is well again
   * @param options `times`: how often, then all is well again; default: until the next call
   */
  fail(fault: MAuthServiceFault | undefined, { times = Infinity }: { times?: number } = {}): void {
    this.#fault = fault;
    this.#faultsLeft = fault === undefined ? 0 : times;
    // A connection that is kept alive would not be refused.
    if (fault === 'refuse') this.#hangUp();
  }

  /** Hangs up on everybody, and listens no more: connections are refused by the operating system. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.#hangUp();
    await closed;
  }

  /**
   * Listens again after `stop`, on the same port and with all that it knew: an outage is over.
   *
   * @throws the error of `listen`, such as EADDRINUSE
   */
  async restart(): Promise<void> {
    this.server.listen(this.#port, '127.0.0.1');
    await once(this.server, 'listening');
    this.#port = (this.server.address() as AddressInfo).port;
  }

  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Counts one fault; false where none is left. */
  #takeFault(): boolean {
    if (this.#faultsLeft <= 0) return false;
    if (--this.#faultsLeft === 0) this.#fault = undefined;
    return true;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = callOf(request);
    this.calls.push(call);
    response.on('finish', () => (call.status = response.statusCode));
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.#latencyMs > 0) await elapsed(this.#latencyMs);
    } catch {
      return; // The caller hung up.
    }
    const body = Buffer.concat(chunks);
    const fault = this.#fault;
    if (fault !== undefined && fault !== 'refuse' && this.#takeFault()) {
      return this.#goWrong(fault, { request, response, body, call });
    }
    this.#answer(request, response, body, call);
  }

  #goWrong(fault: Exclude<MAuthServiceFault, 'refuse'>, { request, response, body, call }: Question): void {
    if (typeof fault === 'function') return fault(request, response, body);
    if (typeof fault === 'number') return send(response, fault, { errors: [`Status ${fault}`] });
    FAULTS[fault]({ request, response, body, call }, this.#apps.get(call.appUuid ?? ''));
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer, call: MAuthServiceCall): void {
    const refusal = this.#refusal(request, body);
    if (refusal) {
      call.refusal = refusal;
      return send(response, 401, { errors: { mauth: ['Unauthorized'] } });
    }
    if (call.kind === 'security_token' && request.method === 'GET') return this.#sendToken(response, call);
    if (call.kind === 'authentication_ticket' && request.method === 'POST')
      return this.#decide(response, body);
    send(response, 404, { errors: ['Not found'] });
  }

  /** Why the question itself is not authentic; undefined when it is. */
  #refusal({ headers, method = '', url = '' }: IncomingMessage, body: Buffer): string | undefined {
    const version = headers['mcc-authentication'] === undefined ? 1 : 2;
    const header = headers[version === 2 ? 'mcc-authentication' : 'x-mws-authentication'];
    if (header === undefined) return 'not signed';
    const pattern = version === 2 ? /^MWSV2 ([^:]+):([^;]+);$/ : /^MWS ([^:]+):(.+)$/;
    const [, appUuid = '', signature = ''] = pattern.exec(String(header)) ?? [];
    const key = this.#keyOfAsker(appUuid.toLowerCase());
    if (!key) return `the app that asks is unknown: ${appUuid.slice(0, 36)}`;
    const time = String(headers[version === 2 ? 'mcc-time' : 'x-mws-time']);
    if (!(Math.abs(this.#now() / 1000 - Number(time)) <= DRIFT_SECONDS)) {
      return `signed at ${time.slice(0, 20)}, and it is ${Math.floor(this.#now() / 1000)}`;
    }
    const isTrue = isSigned(version, key, { method, url, body, appUuid, time }, signature);
    return isTrue ? undefined : 'signature does not match';
  }

  #keyOfAsker(appUuid: string): KeyObject | undefined {
    const registered = this.#apps.get(appUuid);
    if (registered || this.#revoked.has(appUuid)) return registered?.key;
    const pem = publicKeyOfCaller(appUuid);
    return pem === undefined ? undefined : createPublicKey(pem);
  }

  #sendToken(response: ServerResponse, { appUuid = '' }: MAuthServiceCall): void {
    const app = this.#apps.get(appUuid);
    if (!app) return send(response, 404, { errors: ['Unable to find app'] });
    if (this.#cacheControl) response.setHeader('cache-control', this.#cacheControl);
    send(response, 200, tokenOf(app));
  }

  /** 204 where the signature in the ticket is the app's, 412 where it is not, 404 for an unknown app. */
  #decide(response: ServerResponse, body: Buffer): void {
    const ticket = ticketIn(body);
    if (!ticket) return send(response, 400, { errors: ['Not a ticket'] });
    const {
      verb: method = '',
      app_uuid: appUuid = '',
      request_url: path = '',
      request_time: time = '',
    } = ticket;
    const app = this.#apps.get(appUuid.toLowerCase());
    if (!app) return send(response, 404, { errors: ['Unable to find app'] });
    const url = ticket.query_string ? `${path}?${ticket.query_string}` : path;
    const message = { method, url, body: Buffer.from(ticket.b64encoded_body ?? '', 'base64'), appUuid, time };
    const version = ticket.token === 'MWSV2' ? 2 : 1;
    if (isSigned(version, app.key, message, ticket.client_signature ?? '')) response.writeHead(204).end();
    else send(response, 412, { errors: { mauth: ['Signature does not match'] } });
  }
}

interface Question {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly call: MAuthServiceCall;
}

type FaultInAnswer = Exclude<MAuthServiceFault, number | 'refuse' | MAuthServiceAnswer>;

const FAULTS: Record<FaultInAnswer, (question: Question, app?: RegisteredApp) => void> = {
  hang: () => undefined,
  malformed: ({ response }: Question) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"security_token":{"app_name"');
  },
  other_app: ({ response }: Question, app?: RegisteredApp) => {
    const appUuid = '00000000-0000-4000-8000-000000000000';
    send(response, 200, tokenOf({ appUuid, pem: app?.pem ?? '' }));
  },
  redirect: ({ request, response }: Question) => {
    response.writeHead(302, { location: request.url }).end();
  },
  endless: ({ response }: Question) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const timer = setInterval(() => response.write(Buffer.alloc(16_384, ' ')), 1);
    response.on('close', () => clearInterval(timer));
  },
  oversized: ({ response }: Question, app?: RegisteredApp) => {
    const answer = JSON.stringify(tokenOf(app ?? { appUuid: '', pem: '' })).padEnd(1024 * 1024);
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
  },
} satisfies Record<string, (question: Question, app?: RegisteredApp) => void>;

/** Nothing waits for the answer to a caller that has hung up, so the timer does not keep the process running. */
function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

function uuidOf(app: string | { readonly appUuid: string }): string {
  return typeof app === 'string' ? app : app.appUuid;
}

function callOf({ method = '', url = '' }: IncomingMessage): MAuthServiceCall {
  const [path = ''] = url.split('?');
  const appUuid = TOKEN_PATH.exec(path)?.[1]?.toLowerCase();
  if (appUuid !== undefined) return { kind: 'security_token', method, url, appUuid };
  return { kind: path === TICKET_PATH ? 'authentication_ticket' : 'other', method, url };
}

function ticketIn(body: Buffer): Record<string, string> | undefined {
  try {
    const { authentication_ticket: ticket } = JSON.parse(body.toString()) as Record<string, unknown>;
    const isTicket =
      typeof ticket === 'object' &&
      ticket !== null &&
      Object.values(ticket).every((value) => typeof value === 'string');
    return isTicket ? (ticket as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}

function tokenOf({ appUuid, pem }: Pick<RegisteredApp, 'appUuid' | 'pem'>): object {
  return { security_token: { app_name: 'an app', app_uuid: appUuid, public_key_str: pem } };
}

function send(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(json));
}

/** What cannot be made a string to sign was not signed either. */
function isSigned(version: 1 | 2, key: KeyObject, message: RequestMessage, signature: string): boolean {
  try {
    return verifySignature(version, key, stringToSign(version, message), Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
