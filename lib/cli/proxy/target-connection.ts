import * as http from 'node:http';
import * as https from 'node:https';
import { why } from '../exchange.js';
import { type Destination, portOf } from './destination.js';
import { type RawHeaders } from './raw-headers.js';
import { Refusal } from './refusal.js';

export interface OutgoingToTarget {
  readonly destination: Destination;
  readonly method: string;
  readonly headers: RawHeaders;
  /** The bytes, or the request that they come with. */
  readonly body: Uint8Array | http.IncomingMessage;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** A request that is sent twice by mistake does no harm only with these (RFC 9110, section 9.2.2). */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Sends requests on, target, headers and body byte by byte. */
export class TargetConnection {
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };
  readonly #timeoutMs: number;
  readonly #rejectUnauthorized: boolean;

  constructor(options: { timeoutMs: number; rejectUnauthorized: boolean }) {
    this.#timeoutMs = options.timeoutMs;
    this.#rejectUnauthorized = options.rejectUnauthorized;
  }

  /**
   * Resolves with the head of the answer.
   *
   * @throws Refusal with 502, 504 or, for headers that cannot be sent, 400
   */
  async send(outgoing: OutgoingToTarget): Promise<http.IncomingMessage> {
    try {
      return await this.#attempt(outgoing, REPEATABLE.has(outgoing.method));
    } catch (cause) {
      const { isStale } = cause as { isStale?: true };
      if (!isStale || !(outgoing.body instanceof Uint8Array)) throw this.#refusal(cause, outgoing);
    }
    try {
      return await this.#attempt(outgoing, false);
    } catch (cause) {
      throw this.#refusal(cause, outgoing);
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  /** A connection that was kept may be closed by the target just now, so only what may be repeated goes over one. */
  #attempt({ destination, method, headers, body, signal }: OutgoingToTarget, isRepeatable: boolean) {
    const { origin, target } = destination;
    const isHttps = origin.protocol === 'https:';
    return new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = (isHttps ? https : http).request({
        host: origin.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: portOf(origin),
        method,
        path: target,
        headers: headers.flat(),
        agent: isRepeatable ? this.#agents[isHttps ? 'https:' : 'http:'] : false,
        rejectUnauthorized: this.#rejectUnauthorized,
        setHost: false,
        signal,
      });
      const timer = setTimeout(
        () => request.destroy(Object.assign(new Error(), { name: 'TimeoutError' })),
        this.#timeoutMs,
      );
      const settled = () => clearTimeout(timer);
      request.on('response', (answer) => {
        settled();
        // What comes after the head is the answer's to report.
        request.on('error', () => undefined);
        resolve(answer);
      });
      request.on('upgrade', (_, socket) => {
        socket.destroy();
        settled();
        reject(new Error('it switches protocols without being asked'));
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        settled();
        const isStale = isRepeatable && request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(error.code ?? '');
        reject(isStale ? Object.assign(error, { isStale }) : error);
      });
      if (body instanceof Uint8Array) request.end(body);
      else body.pipe(request);
    });
  }

  #refusal(cause: unknown, { destination }: OutgoingToTarget): Refusal {
    const { code = '', name } = cause as NodeJS.ErrnoException;
    if (/^ERR_(INVALID_CHAR|INVALID_HTTP_TOKEN|UNESCAPED_CHARACTERS|HTTP_INVALID_HEADER_VALUE)$/.test(code)) {
      return new Refusal(400, 'A header of the request has characters that cannot be sent on.', { cause });
    }
    return new Refusal(name === 'TimeoutError' ? 504 : 502, why(cause, destination.origin, this.#timeoutMs), {
      cause,
    });
  }
}
