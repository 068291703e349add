import { HEADERS } from '../../protocol/headers.js';
import { targetOf, unreadable, type CapturedRequest } from './captured-request.js';

interface HarRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly postData?: { readonly text?: string; readonly encoding?: string };
}

const SIGNATURES = [HEADERS[1].authentication, HEADERS[2].authentication].map((name) => name.toLowerCase());

/**
 * Reads a request of a HAR file (HTTP Archive 1.2), as browsers and proxies save it.
 *
 * @param entry its place in the file, from 1; without it, the first request that is signed, else the first
 * @throws CommandFailure where there is no such request
 */
export function readHarEntry(text: string, entry?: number): CapturedRequest {
  const requests = requestsIn(text);
  const wanted = entry === undefined ? (requests.find(isSigned) ?? requests[0]) : requests[entry - 1];
  if (!wanted)
    throw unreadable('The HAR file', `it has ${requests.length} requests; set --entry to one of them`);
  const { text: body = '', encoding } = wanted.postData ?? {};
  return {
    method: wanted.method,
    url: targetOf(wanted.url),
    headers: wanted.headers.map(({ name, value }) => [name, value]),
    body: Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8'),
  };
}

function requestsIn(text: string): HarRequest[] {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw unreadable('The HAR file', 'it is not JSON');
  }
  const entries = (document as { log?: { entries?: unknown } } | null)?.log?.entries;
  if (!Array.isArray(entries)) throw unreadable('The HAR file', 'it has no log.entries');
  return entries.map((entry) => (entry as { request?: unknown } | null)?.request).filter(isRequest);
}

function isRequest(value: unknown): value is HarRequest {
  const { method, url, headers, postData } = (value ?? {}) as Record<string, unknown>;
  const { text = '' } = (postData ?? {}) as Record<string, unknown>;
  return (
    typeof method === 'string' &&
    typeof url === 'string' &&
    typeof text === 'string' &&
    Array.isArray(headers) &&
    headers.every(
      (header: { name?: unknown; value?: unknown } | null) =>
        typeof header?.name === 'string' && typeof header.value === 'string',
    )
  );
}

function isSigned({ headers }: HarRequest): boolean {
  return headers.some(({ name }) => SIGNATURES.includes(name.toLowerCase()));
}
