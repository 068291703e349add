import { type IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { MAuthUnableToAuthenticateError } from '../config/errors.js';
import { ownProperty } from '../protocol/own-properties.js';

/** No answer of the MAuth service is near this; it bounds what a broken or hostile one can make us hold. */
export const MAX_ANSWER_BYTES = 64 * 1024;

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  identity: (bytes) => Promise.resolve(bytes),
  gzip: (bytes) => promisify(gunzip)(bytes, { maxOutputLength: MAX_ANSWER_BYTES }),
  'x-gzip': (bytes) => promisify(gunzip)(bytes, { maxOutputLength: MAX_ANSWER_BYTES }),
  deflate: (bytes) => promisify(inflate)(bytes, { maxOutputLength: MAX_ANSWER_BYTES }),
  br: (bytes) => promisify(brotliDecompress)(bytes, { maxOutputLength: MAX_ANSWER_BYTES }),
};

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the text of an answer. We ask for no compression, but a proxy may compress all the same: the limit holds
 * for the bytes on the wire and for what comes out of them.
 *
 * @throws MAuthUnableToAuthenticateError `service_answer_malformed`; the error of the connection itself
 */
export async function readAnswerText(answer: IncomingMessage): Promise<string> {
  const bytes = await readBytes(answer);
  const encoding = ownProperty(answer.headers, 'content-encoding')?.trim().toLowerCase() || 'identity';
  if (!Object.hasOwn(DECODERS, encoding)) throw malformed('has an unknown Content-Encoding');
  try {
    return UTF8.decode(await DECODERS[encoding]?.(bytes));
  } catch {
    throw malformed(`cannot be decoded, or holds more than ${MAX_ANSWER_BYTES} bytes`);
  }
}

async function readBytes(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop destroys the connection, so nothing more arrives.
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw malformed(`holds more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const DISCARD_WITHIN_MS = 1000;

/** Lets go of an answer whose status says all. A short rest is read, so that the connection can be used again. */
export function discardAnswer(answer: IncomingMessage): void {
  let length = 0;
  const timer = setTimeout(() => answer.destroy(), DISCARD_WITHIN_MS).unref();
  answer.on('error', () => undefined);
  answer.on('close', () => clearTimeout(timer));
  answer.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) answer.destroy();
  });
}

/** The answer of the MAuth service cannot be used; `what` completes the sentence. */
export function malformed(what: string): MAuthUnableToAuthenticateError {
  return new MAuthUnableToAuthenticateError(
    'service_answer_malformed',
    `The answer of the MAuth service ${what}.`,
  );
}
