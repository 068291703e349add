import { once } from 'node:events';
import {
  createServer,
  validateHeaderName,
  validateHeaderValue,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo } from 'node:net';
import { Transform, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { MAuthConfigurationError, MAuthUnableToSignError } from '../../config/errors.js';
import { requestSubject } from '../../events/printable.js';
import { type MAuthSigner } from '../../signing/mauth-signer.js';
import { authenticAnswer } from './answer-authentication.js';
import { BrowserOrigins, portOf, ReverseTarget, tunnelTo, type Destination } from './destination.js';
import { HarFile, type RecordedExchange } from './har-file.js';
import { heldBody } from './held-body.js';
import {
  forAllowedPage,
  isPreflight,
  leadsBack,
  originOf,
  ownHost,
  pageOf,
  preflightAnswer,
  refererRefused,
  type Page,
} from './page-rules.js';
import {
  endToEnd,
  framed,
  MAUTH_NAMES,
  rawHeaders,
  replaced,
  valuesOf,
  without,
  type RawHeaders,
} from './raw-headers.js';
import { Refusal } from './refusal.js';
import { TargetConnection } from './target-connection.js';
import { answerRaw, Tunnels } from './tunnel.js';

export interface SigningProxyOptions {
  readonly signer: MAuthSigner;
  /** Authenticates answers of up to 10 MiB; without it they are passed on as they come. */
  readonly authenticator?: MAuthAuthenticator;
  /** Scheme, host, port and a prefix of the path, to stand in front of: https://api.example.com/v1 */
  readonly target?: string;
  /** Browser mode instead of a target: the origins whose requests are signed, as https://api.example.com */
  readonly browserOrigins?: readonly string[];
  /** Set on each request that is signed, in place of those of the same name. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Origins whose pages may have requests signed although they are of another site. */
  readonly allowedOrigins?: readonly string[];
  /** Bytes of the longest body of a request; default 64 MiB. */
  readonly maxBody?: number;
  /** A HAR file for the requests that are signed, and their answers. It is replaced. */
  readonly record?: string;
  /** Whether the certificate of the target is checked; default true. */
  readonly rejectUnauthorized?: boolean;
  /** Milliseconds that the target may take until its answer begins, or while it pauses; default 60,000. */
  readonly timeoutMs?: number;
  /** Gets a line for each request: method, path, status, duration, and why it was refused. */
  readonly log?: (line: string) => void;
}

/** Bytes of the beginning of an answer that are recorded. */
const MOST_RECORDED = 10 * 1024 * 1024;
/** Milliseconds that the rest of a refused request is read and dropped, so that its sender can read the answer. */
const LINGER_MS = 1000;

/** A request that is on its way through the proxy. */
interface Passage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly headers: RawHeaders;
  readonly method: string;
  readonly startedAt: number;
  readonly begun: number;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** What the log line names. */
  subject: string;
  page: Page;
}

/**
 * Signs the requests that pass through it, for tools that cannot sign. It listens on 127.0.0.1 alone, and refuses what
 * pages of other sites have sent: everything that goes through it has the rights of the app that signs.
 *
 * @example
 * const proxy = new SigningProxy({ signer, authenticator, target: 'https://api.example.com' });
 * const { url } = await proxy.listen(9292);
 * await fetch(`${url}/studies`); // signed on its way to https://api.example.com/studies
 * await proxy.close();
 */
export class SigningProxy {
  readonly #options: SigningProxyOptions;
  readonly #target: ReverseTarget | undefined;
  readonly #browser: BrowserOrigins | undefined;
  readonly #allowed: ReadonlySet<string>;
  readonly #maxBody: number;
  readonly #timeoutMs: number;
  readonly #server: Server;
  readonly #connection: TargetConnection;
  readonly #tunnels: Tunnels;
  readonly #log: (line: string) => void;
  #port = 0;
  #har: HarFile | undefined;

  /** @throws MAuthConfigurationError where target, origins or headers cannot be used */
  constructor(options: SigningProxyOptions) {
    const { target, browserOrigins = [], allowedOrigins = [], headers = [] } = options;
    if ((target === undefined) === (browserOrigins.length === 0)) {
      throw new MAuthConfigurationError(
        'The proxy takes either a target or the origins of the browser mode.',
      );
    }
    this.#options = options;
    this.#target = target === undefined ? undefined : new ReverseTarget(target);
    this.#browser = target === undefined ? new BrowserOrigins(browserOrigins) : undefined;
    this.#allowed = new Set(allowedOrigins.map(checkedOrigin));
    headers.forEach(checkHeader);
    this.#maxBody = options.maxBody ?? 64 * 1024 * 1024;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#log = options.log ?? (() => undefined);
    this.#tunnels = new Tunnels(this.#timeoutMs);
    this.#connection = new TargetConnection({
      timeoutMs: this.#timeoutMs,
      rejectUnauthorized: options.rejectUnauthorized ?? true,
    });
    const take = (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response);
    this.#server = createServer({ requireHostHeader: false }, take)
      .on('checkContinue', take)
      .on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        this.#connect(request, socket, head),
      );
  }

  /**
   * Listens on 127.0.0.1.
   *
   * @param port 0 is any that is free
   * @throws the error of `listen`, such as EADDRINUSE, or of the file to record in
   */
  async listen(port: number): Promise<{ url: string; port: number }> {
    const { record, headers = [] } = this.#options;
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    try {
      if (record !== undefined)
        this.#har = await HarFile.create(
          record,
          headers.map(([name]) => name),
        );
    } catch (error) {
      await this.close();
      throw error;
    }
    return { url: `http://127.0.0.1:${this.#port}`, port: this.#port };
  }

  /** Hangs up, and ends the record. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#tunnels.close();
    this.#connection.close();
    await closed;
    await this.#har?.close();
    this.#har = undefined;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    response.sendDate = false;
    const passage: Passage = {
      request,
      response,
      headers: rawHeaders(request.rawHeaders),
      method: request.method ?? '',
      startedAt: Date.now(),
      begun: performance.now(),
      signal: gone.signal,
      subject: requestSubject(request.method ?? '', request.url ?? ''),
      page: {},
    };
    try {
      const note = await (this.#target ? this.#reverse(passage, this.#target) : this.#browse(passage));
      this.#report(passage, note);
    } catch (error) {
      this.#fail(passage, error);
    }
  }

  async #reverse(passage: Passage, target: ReverseTarget): Promise<string | undefined> {
    const { headers } = passage;
    passage.page = pageOf(headers, `http://${ownHost(headers, this.#port)}`, this.#allowed);
    if (passage.page.refused !== undefined) throw this.#foreign(passage.page.refused);
    return this.#signed(passage, target.destinationOf(passage.request.url ?? ''));
  }

  async #browse(passage: Passage): Promise<string | undefined> {
    const { headers, request } = passage;
    const browser = this.#browser as BrowserOrigins;
    const destination = browser.destinationOf(request.url ?? '');
    const { origin, isListed, seenAs } = destination;
    if (leadsBack(origin.hostname, portOf(origin), this.#port)) {
      throw new Refusal(400, 'The request would come back to this proxy.');
    }
    if (!isListed) return this.#unsigned(passage, destination, 'not signed: another origin');
    passage.page = pageOf(headers, seenAs, this.#allowed);
    const isTold = valuesOf(headers, 'origin').length + valuesOf(headers, 'sec-fetch-site').length > 0;
    const refused = passage.page.refused ?? (isTold ? undefined : refererRefused(headers, seenAs));
    if (refused !== undefined) return this.#unsigned(passage, destination, `not signed: ${refused}`);
    return this.#signed(passage, destination);
  }

  async #signed(passage: Passage, destination: Destination): Promise<string | undefined> {
    const { method, request, response, signal } = passage;
    if (passage.page.allowed !== undefined && isPreflight(method, passage.headers)) {
      response.writeHead(204, preflightAnswer(passage.page.allowed, passage.headers).flat()).end();
      return 'preflight of an allowed page';
    }
    refuseUpgrade(passage);
    if (Number(request.headers['content-length'] ?? 0) > this.#maxBody) throw this.#tooLong();
    if (/100-continue/i.test(valuesOf(passage.headers, 'expect').join())) response.writeContinue();
    const body = await heldBody(request, this.#maxBody);
    if (!body) throw this.#tooLong();
    const headers = this.#outgoing(passage, destination, body);
    const signature = await this.#signature(method, destination.target, body);
    const answer = await this.#connection.send({
      destination,
      method,
      headers: [...headers, ...Object.entries(signature)],
      body,
      signal,
    });
    const recorded = {
      method,
      url: destination.origin.origin + destination.target,
      headers: [...headers, ...Object.entries(signature)],
      body,
    };
    const { authenticator } = this.#options;
    if (!authenticator) return this.#stream(passage, answer, recorded);
    const bytes = await authenticAnswer(answer, authenticator, {
      isHead: method === 'HEAD',
      timeoutMs: this.#timeoutMs,
    });
    this.#record(passage, recorded, answer, bytes);
    const hasLength = bytes.length > 0 || answer.headers['transfer-encoding'] !== undefined;
    const status = answer.statusCode ?? 502;
    const received = endToEnd(rawHeaders(answer.rawHeaders));
    const isBodiless = method === 'HEAD' || status === 204 || status === 304;
    const kept = isBodiless || !hasLength ? received : framed(received, '', bytes);
    writeHead(passage, answer, kept);
    response.end(bytes);
    return undefined;
  }

  /** Passed on as it is, the body as it comes. */
  async #unsigned(passage: Passage, destination: Destination, note: string): Promise<string> {
    const { method, request, response, headers: received, signal } = passage;
    refuseUpgrade(passage);
    if (/100-continue/i.test(valuesOf(received, 'expect').join())) response.writeContinue();
    const isChunked = request.headers['transfer-encoding'] !== undefined;
    const kept = withHost(without(endToEnd(received), new Set(['expect'])), destination);
    const length = request.headers['content-length'];
    const headers = isChunked
      ? [...kept, ['Transfer-Encoding', 'chunked'] as const]
      : length === undefined
        ? framed(kept, method, Buffer.alloc(0))
        : kept;
    await this.#stream(
      passage,
      await this.#connection.send({ destination, method, headers, body: request, signal }),
    );
    return note;
  }

  async #stream(
    passage: Passage,
    answer: IncomingMessage,
    recorded?: RecordedExchange['request'],
  ): Promise<undefined> {
    writeHead(passage, answer, endToEnd(rawHeaders(answer.rawHeaders)));
    passage.response.flushHeaders();
    const copy = new BeginningOf(recorded && this.#har ? MOST_RECORDED : 0);
    await pipeline(answer, copy, passage.response);
    if (recorded) this.#record(passage, recorded, answer, copy.bytes, copy.cutOff);
  }

  #outgoing({ headers, method }: Passage, destination: Destination, body: Uint8Array): RawHeaders {
    const { headers: added = [] } = this.#options;
    const dropped = new Set([...MAUTH_NAMES, 'expect', ...added.map(([name]) => name.toLowerCase())]);
    const hosted = withHost(endToEnd(headers), destination);
    // A Host of the user's own stays where it is given.
    return framed([...without(hosted, dropped), ...added], method, body);
  }

  async #signature(method: string, url: string, body: Uint8Array): Promise<Record<string, string>> {
    try {
      return await this.#options.signer.signRequest({ method, url: Buffer.from(url, 'latin1'), body });
    } catch (cause) {
      if (!(cause instanceof MAuthUnableToSignError) || cause.code === 'no_private_key') throw cause;
      throw new Refusal(400, `The request cannot be signed (${cause.code}).`, { cause });
    }
  }

  #connect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const begun = performance.now();
    socket.on('error', () => undefined);
    const report = (status: number) => {
      this.#log(line(requestSubject('CONNECT', request.url ?? ''), status, begun));
    };
    try {
      const to = this.#tunnelFor(request.url ?? '');
      void this.#tunnels.open(socket, to, head).then(report);
    } catch (error) {
      const { status, message } = error instanceof Refusal ? error : new Refusal(500, 'A bug.');
      answerRaw(socket, status, message);
      report(status);
    }
  }

  #tunnelFor(authority: string): URL {
    if (!this.#browser) {
      throw new Refusal(501, 'This proxy stands in front of one target and opens no tunnels; see --browser.');
    }
    const to = tunnelTo(authority);
    if (leadsBack(to.hostname, portOf(to), this.#port))
      throw new Refusal(400, 'The request would come back to this proxy.');
    const typed = this.#browser.httpsOriginOf(to);
    if (typed === undefined) return to;
    throw new Refusal(
      501,
      `What is encrypted cannot be signed. Open ${typed} instead: the proxy goes on with https.`,
    );
  }

  #foreign(why: string): Refusal {
    return new Refusal(
      403,
      `This request was sent by a page of another site (${why}), so it is not signed. ` +
        'If you trust that page with all that your app may do, start the proxy with --allow-origin ORIGIN.',
    );
  }

  #tooLong(): Refusal {
    return new Refusal(
      413,
      `The body is longer than ${this.#maxBody} bytes; set --max-body to send longer ones.`,
    );
  }

  #record(
    { startedAt, begun }: Passage,
    request: RecordedExchange['request'],
    { statusCode, statusMessage, rawHeaders: flat }: IncomingMessage,
    body: Uint8Array,
    cutOff = 0,
  ): void {
    const answer = {
      status: statusCode ?? 0,
      statusText: statusMessage ?? '',
      headers: rawHeaders(flat),
      body,
      cutOff,
    };
    const durationMs = Math.round(performance.now() - begun);
    this.#har
      ?.add({ startedAt, durationMs, request, answer })
      .catch(() => this.#log('The record cannot be written.'));
  }

  #report({ subject, response, begun, signal }: Passage, note?: string): void {
    const ended = response.writableEnded || !signal.aborted ? note : 'the client went away';
    this.#log(line(subject, response.statusCode, begun, ended));
  }

  #fail(passage: Passage, error: unknown): void {
    const { response, request, subject, begun, signal, page } = passage;
    if (signal.aborted || (request.destroyed && !request.complete)) {
      response.destroy();
      return this.#log(`${subject}: the client went away`);
    }
    const refusal = error instanceof Refusal ? error : new Refusal(500, unexpected(error));
    if (response.headersSent) {
      response.destroy();
      return this.#log(line(subject, response.statusCode, begun, 'the answer was cut off'));
    }
    const body = Buffer.from(`mauth proxy: ${refusal.message}\n`);
    const headers: RawHeaders = [
      ['Content-Type', 'text/plain; charset=utf-8'],
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Length', String(body.length)],
      ...(request.complete ? [] : [['Connection', 'close'] as const]),
    ];
    response.writeHead(
      refusal.status,
      (page.allowed === undefined ? headers : forAllowedPage(page.allowed, headers)).flat(),
    );
    this.#log(line(subject, refusal.status, begun, refusal.message));
    if (request.complete || request.method === 'HEAD') return void response.end(body);
    response.write(body);
    const done = setTimeout(() => response.end(), LINGER_MS);
    request.resume().on('close', () => {
      clearTimeout(done);
      response.end();
    });
  }
}

/** Counts bytes as they pass, and keeps the first ones. */
class BeginningOf extends Transform {
  readonly #chunks: Buffer[] = [];
  #room: number;
  cutOff = 0;

  constructor(most: number) {
    super();
    this.#room = most;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    const kept = chunk.subarray(0, this.#room);
    this.#room -= kept.length;
    this.cutOff += chunk.length - kept.length;
    if (kept.length > 0) this.#chunks.push(kept);
    done(null, chunk);
  }
}

function checkedOrigin(text: string): string {
  const origin = originOf(text);
  if (origin !== undefined) return origin;
  throw new MAuthConfigurationError(
    'An allowed origin is scheme, host and port, such as https://docs.example.com.',
  );
}

const FRAMING = /^(content-length|transfer-encoding|connection|expect|upgrade|trailer)$/i;

function checkHeader([name, value]: readonly [string, string]): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    throw new MAuthConfigurationError(
      `The header ${JSON.stringify(name)} cannot be sent; give it as "Name: value".`,
    );
  }
  if (FRAMING.test(name) || MAUTH_NAMES.has(name.toLowerCase())) {
    throw new MAuthConfigurationError(`The header ${name} is set by the proxy itself.`);
  }
}

/** HTTP/2 is an offer that may be passed over; a caller that asks for anything else would wait for it in vain. */
function refuseUpgrade({ headers }: Passage): void {
  const asked = valuesOf(headers, 'upgrade').flatMap((value) => value.split(','));
  if (asked.every((protocol) => protocol.trim().toLowerCase() === 'h2c')) return;
  throw new Refusal(501, 'The proxy signs HTTP requests; it does not pass on WebSockets or other protocols.');
}

function withHost(headers: RawHeaders, { host }: Destination): RawHeaders {
  return replaced(headers, ['host'], ['Host', host]);
}

function writeHead(
  { response, page }: Passage,
  { statusCode, statusMessage }: IncomingMessage,
  headers: RawHeaders,
): void {
  const sent = page.allowed === undefined ? headers : forAllowedPage(page.allowed, headers);
  response.writeHead(statusCode ?? 502, statusMessage, sent.flat());
}

function line(subject: string, status: number, begun: number, note?: string): string {
  const duration = `${Math.round(performance.now() - begun)} ms`;
  return [subject, status, duration].join(' ') + (note === undefined ? '' : `: ${note}`);
}

function unexpected(error: unknown): string {
  return error instanceof MAuthUnableToSignError || error instanceof MAuthConfigurationError
    ? error.message
    : 'The request could not be handled.';
}
