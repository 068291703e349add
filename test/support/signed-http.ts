import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { caller } from './inbound-app.js';

export interface HttpRequest {
  port: number;
  method?: string;
  path?: string;
  headers?: Record<string, string | number>;
  body?: Uint8Array;
  /** Split the body like this and send it chunked; bytes per chunk. */
  chunkSize?: number;
  agent?: Agent;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** As received: nothing is decompressed. */
  readonly body: Buffer;
  /** The port on the caller's side: equal for requests on the same connection. */
  readonly localPort: number | undefined;
}

/** MAuth headers of the known caller over exactly these bytes. */
export function signatureOf(
  { method = 'POST', path = '/receive', body }: Pick<HttpRequest, 'method' | 'path' | 'body'>,
  signVersions: 'v1' | 'v2' | 'v1,v2' = 'v2',
  app = caller,
): Promise<Record<string, string>> {
  const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions });
  return signer.signRequest({ method, url: path, body });
}

/** Sends exactly these bytes. */
export function sendBytes(request: HttpRequest): Promise<HttpAnswer> {
  const { port, method = 'POST', path = '/receive', headers = {}, body, chunkSize, agent } = request;
  return new Promise((resolve, reject) => {
    const framing: Record<string, string | number> =
      body === undefined
        ? {}
        : chunkSize
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': body.length };
    const outgoing = httpRequest({
      port,
      host: '127.0.0.1',
      method,
      path,
      agent,
      headers: { ...headers, ...framing },
    });
    outgoing.on('error', reject).on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      incoming.on('end', () => {
        const received = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: received.toString(),
          body: received,
          localPort: outgoing.socket?.localPort,
        });
      });
    });
    if (body && chunkSize) {
      for (let at = 0; at < body.length; at += chunkSize) outgoing.write(body.subarray(at, at + chunkSize));
      outgoing.end();
    } else {
      outgoing.end(body);
    }
  });
}

/** Signs as the known caller, then sends. */
export async function sendSigned(
  request: HttpRequest,
  signVersions?: 'v1' | 'v2' | 'v1,v2',
): Promise<HttpAnswer> {
  return sendBytes({
    ...request,
    headers: { ...request.headers, ...(await signatureOf(request, signVersions)) },
  });
}
