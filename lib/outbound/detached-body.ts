import { finished, Readable } from 'node:stream';

/** What is made of an error before anybody gets it. */
export type Cleaning = (error: unknown) => unknown;

const detachedStreams = new WeakSet<object>();

/**
 * A streamed body, apart from the request that it answers: a stream of Node leads to its socket and from there to the
 * request, and errors of a stream refer to both. Anything but a stream is handed back as it is.
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
    // As a response of Node does: one that nobody listens to breaks off quietly, instead of ending the process.
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
      // A reader with a buffer of its own waits for an answer, even at the end.
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
