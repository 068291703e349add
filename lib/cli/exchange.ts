import * as http from 'node:http';
import * as https from 'node:https';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { urlToHttpOptions } from 'node:url';
import { CommandFailure, EXIT } from './exit-codes.js';
import { type OutgoingRequest } from './outgoing-request.js';

/** An answer, as it came. */
export interface Answer {
  readonly httpVersion: string;
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** As on the wire: compressed where it came so. */
  readonly body: Buffer;
}

export interface ExchangeOptions {
  readonly timeoutMs: number;
  /** Whether the certificate of the other side is checked. */
  readonly verifiesCertificate: boolean;
}

/**
 * Sends a request, target and body byte by byte, and reads the whole answer. Redirects are not followed: another target
 * needs another signature.
 *
 * @throws CommandFailure with exit code 6 and the remedy
 */
export async function exchange(
  { method, url, target, headers, body }: OutgoingRequest,
  { timeoutMs, verifiesCertificate }: ExchangeOptions,
): Promise<Answer> {
  const { request } = url.protocol === 'https:' ? https : http;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const outgoing = request({
      ...urlToHttpOptions(url),
      method,
      path: target,
      headers: headers.flat(),
      agent: false,
      rejectUnauthorized: verifiesCertificate,
      signal,
    });
    outgoing.end(body);
    const [answer] = (await once(outgoing, 'response')) as [http.IncomingMessage];
    return {
      httpVersion: answer.httpVersion,
      status: answer.statusCode ?? 0,
      statusText: answer.statusMessage ?? '',
      headers: pairs(answer.rawHeaders),
      body: await buffer(answer),
    };
  } catch (cause) {
    throw new CommandFailure(EXIT.unreachable, why(cause, url, timeoutMs), { cause });
  }
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1]] as [string, string]] : []));
}

const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What is said where a host cannot be reached. */
export function why(error: unknown, { host, hostname, port, protocol }: URL, timeoutMs: number): string {
  const { code = '', name = '', message = '' } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError' || name === 'AbortError') {
    return `${host} did not answer within ${timeoutMs / 1000} s; set --timeout to wait longer.`;
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The name ${hostname} is not known; check the URL and your network (VPN, proxy).`;
  }
  if (code === 'ECONNREFUSED') {
    return `${host} refuses the connection: nothing listens on port ${port || (protocol === 'https:' ? 443 : 80)}.`;
  }
  if (CERTIFICATE.test(code)) {
    return (
      `The certificate of ${host} is not trusted (${code}); set NODE_EXTRA_CA_CERTS to the file of its authority, ` +
      'or --no-ssl-verify for a try.'
    );
  }
  if (code === 'EPROTO') return `${host} does not speak TLS on this port; use http: or another port.`;
  return `${host} closed the connection (${code || message || 'no reason'}).`;
}
