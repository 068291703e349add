import { type IncomingMessage } from 'node:http';

export type Push = (this: IncomingMessage, chunk: unknown, encoding?: BufferEncoding) => boolean;

/**
 * Gives a body that was held to the stream of its request, as fast as the stream has room for it. So a handler that
 * stops reading leaves no more in the stream than it would without us, and the rest can be let go of here.
 */
export class BodyReplay {
  readonly #request: IncomingMessage;
  readonly #push: Push;
  #pieces: readonly Buffer[];
  #next = 0;
  #isCut = false;

  /** @param push the stream's own */
  constructor(request: IncomingMessage, push: Push, pieces: readonly Buffer[]) {
    this.#request = request;
    this.#push = push;
    this.#pieces = pieces;
  }

  /** The stream gets what it has room for; a small body is in it as a whole, its end included. */
  start(): void {
    let hasRoom = true;
    while (hasRoom && this.#next < this.#pieces.length) hasRoom = this.#give();
    if (this.#next === this.#pieces.length) this.#push.call(this.#request, null);
    else this.#request._read = () => this.#wanted();
  }

  /**
   * Lets go of what the stream has not got yet. A handler that reads on all the same sees the stream close before its
   * end; the connection, which may carry the next request by now, stays as it is.
   */
  cut(): void {
    if (this.#next === this.#pieces.length) return;
    this.#pieces = [];
    this.#isCut = true;
    this.#request._destroy = (error, callback) => callback(error);
  }

  #wanted(): void {
    if (this.#isCut) this.#request.destroy();
    else if (this.#next < this.#pieces.length) this.#give();
    else this.#push.call(this.#request, null);
  }

  #give(): boolean {
    return this.#push.call(this.#request, this.#pieces[this.#next++]);
  }
}
