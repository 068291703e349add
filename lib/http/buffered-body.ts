import { type IncomingMessage } from 'node:http';

/** What has come of a body before anybody watched it. */
export interface BufferedBody {
  /** Still in the stream for its reader. */
  readonly chunks: readonly Buffer[];
  /** Whether the end of the message has come, too. */
  readonly ended: boolean;
}

/**
 * What a stream has buffered; it stays there. Bytes come before us when an asynchronous middleware or hook runs
 * before ours, on an Express or Fastify instance that the application brought along.
 *
 * @returns undefined when somebody has read from the stream: the bytes are gone
 */
export function bufferedBody(request: IncomingMessage): BufferedBody | undefined {
  if (request.readableDidRead) return undefined;
  if (request.readableLength === 0) return hasEnded(request) ? EMPTY : NOTHING_YET;
  const chunks: Buffer[] = [];
  for (let chunk = read(request); chunk !== null; chunk = read(request)) chunks.push(chunk);
  // Reading may bring more, and the end: a body that another door has held comes as the stream has room for it.
  const ended = hasEnded(request);
  for (const chunk of chunks.toReversed()) request.unshift(chunk);
  return { chunks, ended };
}

const NOTHING_YET: BufferedBody = Object.freeze({ chunks: [], ended: false });
const EMPTY: BufferedBody = Object.freeze({ chunks: [], ended: true });

function read(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null;
}

/** No public property tells that the end has been pushed while bytes are still to be read. */
function hasEnded(request: IncomingMessage): boolean {
  return (request as unknown as { _readableState: { ended: boolean } })._readableState.ended;
}
