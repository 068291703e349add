import { createWriteStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { PassThrough, pipeline, Writable } from 'node:stream';

/** An upload that a handler works on: its stream, and what was begun with it. */
export class UploadInHand {
  readonly sinks: Writable[] = [];
  readonly iterators: AsyncIterator<unknown>[] = [];

  constructor(
    readonly stream: IncomingMessage,
    readonly response: ServerResponse,
  ) {}

  /** Answers, unless that has been done. */
  answer(status: number): void {
    if (this.response.writableEnded) return;
    this.response.statusCode = status;
    this.response.end('answered');
  }

  pipe<Sink extends Writable>(sink: Sink): Sink {
    this.sinks.push(sink.on('error', ignore));
    return this.stream.pipe(sink);
  }
}

/** What a handler does with an upload. */
export type StreamHandler = (upload: UploadInHand) => unknown;

function ignore(..._anything: unknown[]): void {
  // Bytes and errors are of no interest.
}

/** Takes no bytes after the first few, and never says so. */
export function stuckSink(): Writable {
  return new Writable({ highWaterMark: 1000, write: () => undefined });
}

/** Fails once it got more than so many bytes. */
export function failingSink(after: number): Writable {
  let received = 0;
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      done(received > after ? new Error('no room') : undefined);
    },
  });
}

/** What handlers do to the stream of a request, by name; in any order, before and after the answer. */
export const STREAM_STEPS: Readonly<Record<string, StreamHandler>> = {
  'read a part': ({ stream }) => void stream.read(100),
  'read a chunk': ({ stream }) => void stream.read(),
  'read all': async ({ stream }) => {
    for await (const chunk of stream) ignore(chunk);
  },
  'read a part and put it back': ({ stream }) => {
    const part = stream.read(50) as Buffer | null;
    if (part) stream.unshift(part);
  },
  pause: ({ stream }) => void stream.pause(),
  resume: ({ stream }) => void stream.resume(),
  listen: ({ stream }) => void stream.on('data', ignore),
  'listen and pause at the first chunk': ({ stream }) => void stream.once('data', () => stream.pause()),
  'stop to listen': ({ stream }) => void stream.removeAllListeners('data'),
  'wait for readable': ({ stream }) => void stream.once('readable', ignore),
  'set an encoding': ({ stream }) => void stream.setEncoding('latin1'),
  'pipe to a folder that is missing': (upload) => upload.pipe(createWriteStream('/no-such-folder/x')),
  'pipe to an upstream that refuses': (upload) =>
    upload.pipe(httpRequest({ port: 9, host: '127.0.0.1', method: 'POST' })),
  'pipe to a sink that fails at once': (upload) => upload.pipe(failingSink(0)),
  'pipe to a sink that fails later': (upload) => upload.pipe(failingSink(20_000)),
  'pipe to a sink that is stuck': (upload) => upload.pipe(stuckSink()),
  'pipe to a sink that works': (upload) => upload.pipe(new PassThrough().resume()),
  unpipe: ({ stream }) => void stream.unpipe(),
  'destroy the sinks': ({ sinks }) => sinks.forEach((sink) => sink.destroy()),
  'pipeline that fails': ({ stream }) =>
    new Promise<void>((resolve) => pipeline(stream, failingSink(20_000), () => resolve())),
  'iterate and break': async ({ stream }) => {
    for await (const chunk of stream) if (chunk) break;
  },
  'iterate and never come back': async ({ stream, iterators }) => {
    const iterator = stream[Symbol.asyncIterator]();
    iterators.push(iterator);
    await iterator.next();
  },
  destroy: ({ stream }) => void stream.destroy(),
  'wait a little': () => turns(3),
  answer: (upload) => upload.answer(200),
};

/** Takes the steps one after the other, whether they fail or not; one that takes long goes on beside the next. */
export async function runSteps(upload: UploadInHand, steps: readonly StreamHandler[]): Promise<void> {
  for (const step of steps) {
    const done = Promise.resolve()
      .then(() => step(upload))
      .catch(ignore);
    await Promise.race([done, turns(5)]);
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
