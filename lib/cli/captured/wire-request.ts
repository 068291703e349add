import { unreadable, type CapturedRequest } from './captured-request.js';

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+)(?: HTTP\/[\d.]+)?$/;

/**
 * Reads a request as it is on the wire: request line, header lines, an empty line, body. Lines may end with LF alone, as
 * in a file that went through an editor; the body is everything after the empty line, byte by byte.
 *
 * @throws CommandFailure where it is something else
 */
export function readWireRequest(bytes: Buffer): CapturedRequest {
  const { head, body } = parts(bytes);
  const [first = '', ...lines] = head.split(/\r?\n/);
  const [, method, url] = REQUEST_LINE.exec(first) ?? [];
  if (!method || !url) {
    throw unreadable('The request', 'its first line must be one such as "POST /studies?page=1 HTTP/1.1"');
  }
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    if (colon < 1) throw unreadable('The request', `the line ${JSON.stringify(shown(line))} is no header`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const isChunked = headers.some(
    ([name, value]) => name.toLowerCase() === 'transfer-encoding' && /chunked/i.test(value),
  );
  return { method, url: Buffer.from(url, 'latin1'), headers, body: isChunked ? unchunked(body) : body };
}

function parts(bytes: Buffer): { head: string; body: Buffer } {
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  const split = end ? end.index : bytes.length;
  return {
    head: bytes
      .subarray(0, split)
      .toString('latin1')
      .replace(/\r?\n$/, ''),
    body: end ? bytes.subarray(split + end[0].length) : Buffer.alloc(0),
  };
}

/** A header's value may be a live signature. */
function shown(line: string): string {
  return line.slice(0, 20);
}

function unchunked(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\n', at);
    const size = end < 0 ? NaN : parseInt(bytes.toString('latin1', at, end), 16);
    if (!(size >= 0)) throw unreadable('The chunked body', 'a chunk does not begin with its length');
    if (size === 0) return Buffer.concat(chunks);
    if (end + 1 + size > bytes.length) throw unreadable('The chunked body', 'its end is missing');
    chunks.push(bytes.subarray(end + 1, end + 1 + size));
    at = bytes.indexOf('\n', end + 1 + size) + 1;
    if (at === 0) throw unreadable('The chunked body', 'its end is missing');
  }
}
