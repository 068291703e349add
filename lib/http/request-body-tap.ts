import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type MaybePromise } from '../authentication/maybe-promise.js';
import { BodyReplay, type Push } from './body-replay.js';
import { AwaitedBodies, type AwaitedBody, HeldBytes, type HeldBytesBudget } from './held-bytes.js';
import { type MAuthBodyFailure } from './refusals.js';
import { type RequestPair } from './request-pair.js';

/** Gets the bytes on the wire, in order; all of them once `flush()` has returned. */
export interface BodyReader {
  /** @param isWhole these are all bytes of the body */
  update(bytes: Uint8Array, isWhole?: boolean): void;
}

/** Within which bounds bodies are watched. */
export interface BodyTapOptions {
  /** The reader keeps what it gets, so bytes that pass count against the limits too. */
  readonly keepsForService: boolean;
  readonly budget: HeldBytesBudget;
  /** Largest body that is held or kept unless `hold` says otherwise, in bytes. */
  readonly maxHeldBytes: number;
  /** How long the body may take to arrive, in milliseconds. */
  readonly timeoutMs: number;
}

/** The request whose body it is. */
export interface BodyOwner extends RequestPair {
  /** The time is over, and `hold()` has not been called. */
  stalled(): void;
}

/** The part of a body that has come before it is watched. */
export interface UnreadBody {
  /** Still in the stream for its reader. */
  readonly chunks: readonly Buffer[];
  /** Whether the end of the message has come, too. */
  readonly ended: boolean;
}

/**
 * What a stream has buffered; it stays there. Bytes come before us when an asynchronous middleware or hook runs
 * before ours, on an Express or Fastify instance that the application brought along.
 *
 * @returns undefined when the stream has been read from: the bytes are gone
 */
export function unreadBody(request: IncomingMessage): UnreadBody | undefined {
  if (request.readableDidRead) return undefined;
  // No public property tells that the end has been pushed while bytes are still to be read.
  const state = (request as unknown as { readonly _readableState: { readonly ended: boolean } })
    ._readableState;
  if (request.readableLength === 0) return state.ended ? EMPTY : NOTHING_YET;
  const chunks: Buffer[] = [];
  for (let chunk = read(request); chunk !== null; chunk = read(request)) chunks.push(chunk);
  // Reading may bring more, and the end: a body that another gate has held comes as the stream has room for it.
  const { ended } = state;
  for (const chunk of chunks.toReversed()) request.unshift(chunk);
  return { chunks, ended };
}

const NOTHING_YET: UnreadBody = Object.freeze({ chunks: [], ended: false });
const EMPTY: UnreadBody = Object.freeze({ chunks: [], ended: true });

function read(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null;
}

/** `observed`: seen and passed on. `held`: seen and kept back. `passed`: passed on unseen. `dropped`: passed to no reader. */
type Flow = 'observed' | 'held' | 'passed' | 'dropped';

const TOO_LARGE: MAuthBodyFailure = Object.freeze({ authentic: false, status: 413, code: 'body_too_large' });
const BUDGET_FULL: MAuthBodyFailure = Object.freeze({
  authentic: false,
  status: 503,
  code: 'body_budget_full',
});
const TIMED_OUT: MAuthBodyFailure = Object.freeze({ authentic: false, status: 408, code: 'body_timeout' });
const ABORTED: MAuthBodyFailure = Object.freeze({ authentic: false, status: 400, code: 'body_aborted' });

// `process.nextTick` makes an object literal; see RequestPair.
const SOON = Promise.resolve();

/**
 * The body of one request, watched where Node's HTTP parser hands it to the stream: `push`. Listening for `data`
 * there would start the stream before its reader is there, and a stream in between would have to be known to
 * every parser; this way parsers, multipart readers and handlers read the very request that they would read
 * without us, and each chunk is seen exactly as it came off the wire.
 */
export class RequestBodyTap implements AwaitedBody {
  readonly #owner: BodyOwner;
  readonly #announced: number;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #reader: BodyReader;
  readonly #options: BodyTapOptions;
  readonly #push: Push;
  readonly #ownPush: Push;
  #timer: NodeJS.Timeout | undefined;
  #flow: Flow = 'observed';
  #received = 0;
  /** All bytes that were announced came at once. */
  #arrivedAtOnce = false;
  #isWatched = false;
  /** Bytes of it count, and more are to come. */
  #isAwaited = false;
  #isComplete = false;
  /** The stream had no room for the last bytes that came. */
  #isBackedUp = false;
  #isPulling = false;
  #hasPulled = false;
  #limit: number;
  #failure: MAuthBodyFailure | undefined;
  #held: HeldBytes | undefined;
  #kept: HeldBytes | undefined;
  /** The reader has got what was kept, and keeps it until the verdict, even if the caller goes away. */
  #isLent = false;
  #replay: BodyReplay | undefined;
  #resolve: ((failure: MAuthBodyFailure | undefined) => void) | undefined;

  /**
   * @param announced bytes that the request announces; 0 when it announces nothing
   * @param unread what came before this object, and is still in the stream
   */
  constructor(
    owner: BodyOwner,
    announced: number,
    unread: UnreadBody,
    reader: BodyReader,
    options: BodyTapOptions,
  ) {
    const { request, response } = owner;
    this.#owner = owner;
    this.#announced = announced;
    this.#request = request;
    this.#response = response;
    this.#reader = reader;
    this.#options = options;
    this.#limit = options.maxHeldBytes;
    if (options.keepsForService) this.#kept = new HeldBytes(options.budget);
    this.#push = Reflect.get(request, 'push') as Push;
    this.#ownPush = (chunk: unknown, encoding?: BufferEncoding) => this.#receive(chunk, encoding);
    request.push = this.#ownPush;
    // A small body comes along with its head, before this is called: then there is nothing to wait for.
    void SOON.then(() => {
      if (this.#kept || !(this.#arrivedAtOnce || this.#isComplete)) this.#watchUntilDone();
    });
    for (const chunk of unread.chunks) {
      this.#count(chunk);
      this.#observe(chunk);
    }
    if (unread.ended) this.#complete();
  }

  /** Bytes that have come so far. */
  get received(): number {
    return this.#received;
  }

  /** Why the bytes are not all there (any more). */
  get failure(): MAuthBodyFailure | undefined {
    return this.#failure;
  }

  get countedBytes(): number {
    return (this.#held?.length ?? 0) + (this.#kept?.length ?? 0);
  }

  isSenderLate(): boolean {
    if (!this.#isBackedUp) return true;
    const { readableLength, readableHighWaterMark } = this.#request;
    // Once there is room again, the sender has as much time as any other.
    this.#isBackedUp = readableLength >= readableHighWaterMark;
    return false;
  }

  giveUp(): void {
    this.#fail(BUDGET_FULL);
  }

  /**
   * Waits until all bytes have come. Those that come from now on are kept back: they are passed on by `release()`.
   * A body that is all there costs no turn of the event loop.
   *
   * @param maxBytes largest body of this route, in bytes, also where the body has been parsed already
   */
  hold(maxBytes?: number): MaybePromise<MAuthBodyFailure | undefined> {
    if (this.#owner.isGone) this.#fail(ABORTED);
    if (this.#failure) return this.#failure;
    // What is still in the stream takes memory like what is held; what has been parsed is the parser's business.
    const isHeld = !this.#isComplete || !this.#request.readableDidRead;
    const { destroyed } = this.#request;
    if (isHeld && destroyed) this.#fail(ABORTED);
    this.#limit = maxBytes ?? (isHeld || this.#kept ? this.#limit : Infinity);
    const expected = this.#isComplete ? 0 : this.#announced;
    if (Math.max(this.#received, expected) > this.#limit) this.#fail(TOO_LARGE);
    const buffered = destroyed ? 0 : this.#request.readableLength;
    if (this.#failure || (this.#isComplete && buffered === 0)) return this.#failure;
    this.#held = new HeldBytes(
      this.#options.budget,
      this.#kept ? undefined : (slab) => this.#reader.update(slab),
    );
    this.#watchUntilDone();
    if (!this.#isComplete) this.#goesOn();
    if (!this.#held.reserve(buffered)) this.#fail(BUDGET_FULL);
    if (this.#isComplete || this.#failure) return this.#failure;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#flow = 'held';
      this.#isBackedUp = false;
      this.#pull();
    });
  }

  /** Hands the reader what it has not got yet. */
  flush(): void {
    if (this.#kept) {
      this.#isLent = true;
      for (const piece of this.#kept.handOver()) this.#reader.update(piece);
      for (const piece of this.#held?.pieces() ?? []) this.#reader.update(piece);
    } else {
      const last = this.#held?.lastPiece();
      if (last) this.#reader.update(last);
    }
  }

  /** The request is authentic: its reader gets every byte. */
  release(): void {
    this.#flow = 'passed';
    this.#isLent = false;
    this.#kept?.free();
    clearTimeout(this.#timer);
    if (this.#held) {
      this.#replay = new BodyReplay(this.#request, this.#push, this.#held.handOver());
      this.#replay.start();
    }
    // After the end nothing is pushed any more.
    if (!this.#isComplete && this.#request.push === this.#ownPush) this.#request.push = this.#push;
  }

  /**
   * The request is refused: no byte is passed on any more, and the rest is read away, so that the connection can carry
   * the next request. A rest that has not come when the time is over ends the connection.
   */
  discard(): void {
    this.#flow = 'dropped';
    this.#isLent = false;
    this.#free();
    if (this.#request.readableEnded) return;
    if (this.#isComplete) this.#push.call(this.#request, null);
    this.#request.resume();
    this.#pull();
  }

  /** From now on there is something to wait for or to let go of: the rest of the body, or bytes that are held. */
  #watchUntilDone(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    if (this.#request.destroyed) this.#closed();
    if (this.#owner.isGone) this.#answered();
    this.#request.on('close', () => this.#closed()).on('end', () => this.#freeHeld());
    // Serverless adapters tell no more than the first.
    for (const event of ['finish', 'close']) this.#response.on(event, () => this.#answered());
    const isOver = this.#isComplete || this.#request.destroyed || this.#flow === 'passed';
    if (!isOver) this.#timer = setTimeout(() => this.#timedOut(), this.#options.timeoutMs).unref();
  }

  #receive(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) return this.#end();
    // Serverless adapters push nothing at all where an event has no body; for a stream that is no chunk.
    if (chunk === undefined) return this.#push.call(this.#request, chunk);
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : (chunk as Uint8Array);
    this.#count(bytes);
    switch (this.#flow) {
      case 'observed':
        this.#observe(bytes);
        this.#isBackedUp = !this.#push.call(this.#request, chunk, encoding);
        return !this.#isBackedUp;
      case 'passed':
        return this.#push.call(this.#request, chunk, encoding);
      case 'held':
        this.#keepBack(bytes);
        break;
      case 'dropped':
    }
    this.#pull();
    return true;
  }

  #count(bytes: Uint8Array): void {
    this.#received += bytes.length;
    // Node's parser lets nothing pass beyond the announced length; other transports may.
    if (this.#arrivedAtOnce && bytes.length > 0) this.#fail(ABORTED);
  }

  #observe(bytes: Uint8Array): void {
    if (this.#failure || bytes.length === 0) return;
    if (!this.#kept) {
      const isFirst = this.#received === bytes.length;
      this.#arrivedAtOnce = isFirst && bytes.length === this.#announced;
      this.#reader.update(bytes, this.#arrivedAtOnce);
    } else if (this.#received > this.#limit) this.#fail(TOO_LARGE);
    else this.#append(this.#kept, bytes);
  }

  #keepBack(bytes: Uint8Array): void {
    if (this.#received > this.#limit) this.#fail(TOO_LARGE);
    else if (this.#held) this.#append(this.#held, bytes);
  }

  #append(to: HeldBytes, bytes: Uint8Array): void {
    this.#goesOn();
    if (!to.append(bytes)) this.#fail(BUDGET_FULL);
  }

  #end(): boolean {
    // HTTP/2 says it once more when the stream closes, while a handler may still be reading.
    if (this.#isComplete) return false;
    const isHeld = this.#flow === 'held';
    this.#complete();
    return isHeld ? false : this.#push.call(this.#request, null);
  }

  #complete(): void {
    this.#isComplete = true;
    clearTimeout(this.#timer);
    if (this.#isAwaited) AwaitedBodies.isOver(this);
    this.#settle();
  }

  #fail(failure: MAuthBodyFailure): void {
    this.#failure ??= failure;
    if (this.#flow === 'held') this.#flow = 'dropped';
    this.#free();
    this.#settle();
  }

  #settle(): void {
    this.#resolve?.(this.#failure);
    this.#resolve = undefined;
  }

  #timedOut(): void {
    if (this.#flow === 'dropped') {
      this.#request.destroy();
      return;
    }
    const isAwaited = this.#resolve !== undefined;
    this.#fail(TIMED_OUT);
    if (!isAwaited) this.#owner.stalled();
  }

  #closed(): void {
    clearTimeout(this.#timer);
    // A parsed request closes before the guard comes, so what is kept has to wait for `flush()`. Bytes that are held
    // are for a reader who would now get none of them.
    if (this.#isComplete && this.#flow !== 'held') this.#freeHeld();
    else this.#fail(ABORTED);
  }

  /** The answer is out: nothing that is still to come will be verified, and nothing counts any more. */
  #answered(): void {
    if (this.#flow === 'dropped') return;
    clearTimeout(this.#timer);
    // Without its kept bytes, and with bytes that pass unseen from now on, the body would be taken for another one.
    if (this.#flow === 'observed' || this.#flow === 'held') this.#fail(ABORTED);
    if (this.#flow === 'observed') this.#flow = 'passed';
    this.#freeHeld();
    this.#leaveUnread();
  }

  /** The rest in the stream is its handler's while that goes on reading. Otherwise it is not to take memory. */
  #leaveUnread(): void {
    const request = this.#request;
    const isRead =
      request.readableFlowing === true ||
      request.listenerCount('data') > 0 ||
      request.listenerCount('readable') > 0;
    if (isRead) return;
    if (request.readableDidRead) this.#replay?.cut();
    // Node itself reads away what has never been read, but not once the socket was made to flow, as `#pull` did.
    else if (this.#hasPulled) request.resume();
  }

  /**
   * Keeps the bytes coming while they are not passed on: the stream itself asks for more only after it got some.
   * `_read` is what makes a paused socket flow again, and what serverless requests wait for.
   */
  #pull(): void {
    if (this.#isPulling || this.#isComplete) return;
    this.#isPulling = true;
    this.#hasPulled = true;
    process.nextTick(() => {
      this.#isPulling = false;
      const isWanted = this.#flow === 'held' || this.#flow === 'dropped';
      if (isWanted && !this.#isComplete && !this.#request.destroyed) this.#request._read(0);
    });
  }

  #goesOn(): void {
    this.#isAwaited = true;
    AwaitedBodies.goesOn(this);
  }

  #free(): void {
    if (this.#isAwaited) AwaitedBodies.isOver(this);
    this.#freeHeld();
    if (!this.#isLent) this.#kept?.free();
  }

  #freeHeld(): void {
    if (!this.#isLent) this.#held?.free();
  }
}
