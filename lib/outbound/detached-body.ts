import { finished, Readable } from 'node:stream';

/** Removes signatures from an error before the caller gets it. */
export type Cleaning = (error: unknown) => unknown;

const detachedStreams = new WeakSet<object>();

/**
 * A stream of the same bytes that does not refer to the request: a stream of Node refers to its socket, the socket to
 * the request with its signature, and errors of the stream to both. A body that is not a stream is returned as it is.
 */
export function detachedBody(data: unknown, clean: Cleaning): unknown {
  if (typeof data !== 'object' || data === null || detachedStreams.has(data)) return data;
  const detached = isNodeStream(data)
    ? new DetachedStream(data, clean)
    : data instanceof ReadableStream && !data.locked
      ? detachedWebStream(data as ReadableStream<Uint8Array>, clean)
      : undefined;
  if (!detached) return data;
  detachedStreams.add(detached);
  return detached;
}

function isNodeStream(data: object): data is Readable {
  const { pipe, on, resume } = data as Partial<Readable>;
  return [pipe, on, resume].every((method) => typeof method === 'function');
}

class DetachedStream extends Readable {
  readonly #source: Readable;
  #isFlowing = false;

  constructor(source: Readable, clean: Cleaning) {
    super({ objectMode: source.readableObjectMode, highWaterMark: source.readableHighWaterMark });
    this.#source = source;
    finished(source, { writable: false }, (error) => {
      if (error) this.destroy(clean(error) as Error);
      else this.push(null);
    });
  }

  override _read(): void {
    if (this.#isFlowing) return void this.#source.resume();
    this.#isFlowing = true;
    this.#source.on('data', (chunk) => {
      if (!this.destroyed && !this.push(chunk)) this.#source.pause();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#source.readableEnded) this.#source.destroy();
    // As a response of Node: without a listener for errors it ends quietly; an error would end the process.
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}

function detachedWebStream(source: ReadableStream<Uint8Array>, clean: Cleaning): ReadableStream<Uint8Array> {
  const isOfBytes = supportsByob(source);
  const reader = source.getReader();
  const pull = async (controller: ReadableStreamDefaultController | ReadableByteStreamController) => {
    try {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      controller.close();
      // A BYOB reader waits until its request is answered, at the end of the stream as well.
      if ('byobRequest' in controller) controller.byobRequest?.respond(0);
    } catch (error) {
      controller.error(clean(error));
    }
  };
  const cancel = (reason: unknown) => reader.cancel(reason);
  return isOfBytes
    ? new ReadableStream({ type: 'bytes', pull, cancel })
    : new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

function supportsByob(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: 'byob' }).releaseLock();
    return true;
  } catch {
    return false;
  }
}
