import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isUtf8 } from 'node:buffer';
import { VERSION } from '../../config/version.js';
import { withoutSignatures } from '../../outbound/signature-traces.js';
import { MAUTH_NAMES, valuesOf, type RawHeaders } from './raw-headers.js';

/** A request that was signed, and its answer. */
export interface RecordedExchange {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: RawHeaders;
    readonly body: Uint8Array;
  };
  readonly answer: {
    readonly status: number;
    readonly statusText: string;
    readonly headers: RawHeaders;
    readonly body: Uint8Array;
    /** Bytes that are left out at the end. */
    readonly cutOff: number;
  };
}

const SECRET = new Set([...MAUTH_NAMES, 'authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
const END = '\n]}}\n';

/**
 * A HAR 1.2 file (HTTP Archive) that is whole after each entry. No credential is in its headers, and no MAuth
 * signature in its text; what else is in queries and bodies is there, so only its owner may read the file.
 */
export class HarFile {
  readonly #file: FileHandle;
  readonly #secret: ReadonlySet<string>;
  #position = 0;
  #separator = '\n';
  #written: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, secret: ReadonlySet<string>) {
    this.#file = file;
    this.#secret = secret;
  }

  /**
   * Replaces the file.
   *
   * @param secretNames headers, in any case, whose values are left out besides the usual ones
   * @throws the error of the file system
   */
  static async create(path: string, secretNames: readonly string[] = []): Promise<HarFile> {
    const flags = constants.O_CREAT | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
    const file = await open(path, flags, 0o600);
    try {
      await file.chmod(0o600);
      await file.truncate();
      const har = new HarFile(file, new Set([...SECRET, ...secretNames.map((name) => name.toLowerCase())]));
      const creator = JSON.stringify({ name: 'mauth proxy', version: VERSION });
      await har.#write(`{"log":{"version":"1.2","creator":${creator},"entries":[`);
      return har;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Resolves once it is written; exchanges are written one after the other. */
  add(exchange: RecordedExchange): Promise<void> {
    const text = `${JSON.stringify(entryOf(exchange, this.#secret))}`;
    const before = this.#written;
    this.#written = before.then(() => this.#write(this.#nextSeparator() + text));
    return this.#written;
  }

  async close(): Promise<void> {
    await this.#written.catch(() => undefined);
    await this.#file.close();
  }

  #nextSeparator(): string {
    const separator = this.#separator;
    this.#separator = ',\n';
    return separator;
  }

  /** Over the end of the file, which is written anew behind it. */
  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text + END);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(
        bytes,
        done,
        bytes.length - done,
        this.#position + done,
      );
      done += bytesWritten;
    }
    this.#position += bytes.length - Buffer.byteLength(END);
  }
}

function entryOf(
  { startedAt, durationMs, request, answer }: RecordedExchange,
  secret: ReadonlySet<string>,
): object {
  const named = (headers: RawHeaders) =>
    headers.map(([name, value]) => ({ name, value: secret.has(name.toLowerCase()) ? '[redacted]' : value }));
  const type = (headers: RawHeaders) => valuesOf(headers, 'content-type')[0] ?? '';
  const cutOff = answer.cutOff > 0 ? { comment: `${answer.cutOff} bytes are left out at the end` } : {};
  return {
    startedDateTime: new Date(startedAt).toISOString(),
    time: durationMs,
    request: {
      method: request.method,
      url: request.url,
      httpVersion: 'HTTP/1.1',
      cookies: [],
      headers: named(request.headers),
      queryString: queryOf(request.url),
      ...(request.body.length > 0
        ? { postData: { mimeType: type(request.headers), params: [], ...textOf(request.body) } }
        : {}),
      headersSize: -1,
      bodySize: request.body.length,
    },
    response: {
      status: answer.status,
      statusText: answer.statusText,
      httpVersion: 'HTTP/1.1',
      cookies: [],
      headers: named(answer.headers),
      content: {
        size: answer.body.length + answer.cutOff,
        mimeType: type(answer.headers),
        ...textOf(answer.body),
        ...cutOff,
      },
      redirectURL: valuesOf(answer.headers, 'location')[0] ?? '',
      headersSize: -1,
      bodySize: answer.body.length + answer.cutOff,
    },
    cache: {},
    timings: { send: 0, wait: durationMs, receive: 0 },
  };
}

function textOf(body: Uint8Array): { text: string; encoding?: 'base64' } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (!isUtf8(bytes)) return { text: bytes.toString('base64'), encoding: 'base64' };
  return { text: withoutSignatures(bytes.toString()) };
}

function queryOf(url: string): { name: string; value: string }[] {
  const mark = url.indexOf('?');
  if (mark < 0 || mark === url.length - 1) return [];
  return url
    .slice(mark + 1)
    .split('&')
    .map((piece) => {
      const [name = '', ...value] = piece.split('=');
      return { name, value: value.join('=') };
    });
}
