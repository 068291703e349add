import { type ServerResponse } from 'node:http';
import { HeldBytes, type HeldBytesBudget } from './held-bytes.js';
import { type RequestPair } from './request-pair.js';
import {
  bytesOf,
  type Callback,
  endArguments,
  headersSent,
  isBodiless,
  isChunk,
  readHead,
  refuse,
  type ResponseHead,
  setFields,
  writeArguments,
} from './response-arguments.js';
import { HEADERS } from '../protocol/headers.js';

/** Why a response that should be signed goes out unsigned; for the log. */
export type UnsignedReason =
  /** Larger than `responses.maxBytes`. */
  | 'response_too_large'
  /** `body.maxHeldBytesTotal` of the process is used up. */
  | 'body_budget_full'
  /** `text/event-stream` has no end to wait for. */
  | 'event_stream'
  /** The application wants its headers to leave before the body is known. */
  | 'headers_flushed'
  | 'trailers'
  /** 1xx is not the response, or gives the connection away. */
  | 'informational'
  | 'signing_failed';

/** The rules for the signature of one response, and the bounds within which it is held. */
export interface ResponseBodyTapOptions {
  /** Asked once, when the head is about to leave. */
  readonly isWanted: () => boolean;
  readonly sign: (status: number, body: Uint8Array) => Promise<Record<string, string>>;
  readonly onUnsigned: (reason: UnsignedReason, error?: unknown) => void;
  readonly budget: HeldBytesBudget;
  /** Largest body that is held, in bytes. */
  readonly maxBytes: number;
}

/** `open`: there is no answer yet. `held`: head or bytes are kept back. `ended`: being signed. `passed`: not ours. */
type Flow = 'open' | 'held' | 'ended' | 'passed';

type Method = (this: ServerResponse, ...args: unknown[]) => unknown;
const METHODS = ['writeHead', 'write', 'end', 'flushHeaders', 'addTrailers'] as const;
type MethodName = (typeof METHODS)[number];

const NOTHING = Buffer.alloc(0);
/** Methods that taps have put on responses. */
const ownMethods = new WeakSet<object>();
const MAUTH_NAMES = Object.values(HEADERS).flatMap(({ authentication, time }) => [authentication, time]);

/**
 * One response, held at Node's own object until all of its bytes are known, because the signature stands in front of
 * them. What wraps the response later, such as compression, has done its work when the bytes come here, so what
 * is signed is what leaves. Neither bytes nor framing are changed: they are given to Node in the way in which the
 * application gave them.
 */
export class ResponseBodyTap {
  readonly #pair: RequestPair;
  readonly #options: ResponseBodyTapOptions;
  readonly #node: Readonly<Record<MethodName, Method>>;
  /** As the caller sent it, which is what Node goes by; an application may write another one to the request. */
  readonly #method: string | undefined;
  #flow: Flow = 'open';
  #head: ResponseHead | undefined;
  #isImplicit = false;
  #isWritten = false;
  #held: HeldBytes | undefined;
  #restore: () => void = () => undefined;

  /**
   * Whether the bytes that come here are those that leave: false where something else has wrapped the response
   * already. Another tap changes nothing.
   */
  static fits(response: ServerResponse): boolean {
    const methods = response as unknown as Record<MethodName, object>;
    return (['write', 'end'] as const).every(
      (name) => !Object.hasOwn(methods, name) || ownMethods.has(methods[name]),
    );
  }

  /** @throws nothing; to be made before anything else changes the methods of the response */
  constructor(pair: RequestPair, options: ResponseBodyTapOptions) {
    this.#pair = pair;
    this.#options = options;
    this.#method = pair.request.method;
    const response = pair.response as unknown as Record<MethodName, Method>;
    this.#node = Object.fromEntries(METHODS.map((name) => [name, response[name]])) as Record<
      MethodName,
      Method
    >;
    response.writeHead = (...args) => this.#writeHead(args);
    response.write = (...args) => this.#write(args);
    response.end = (...args) => this.#end(args);
    response.flushHeaders = () => this.#flushHeaders();
    response.addTrailers = (...args) => this.#addTrailers(args);
    ownMethods.add(response.write).add(response.end);
  }

  #writeHead(args: unknown[]): unknown {
    if (this.#flow === 'passed' || !this.#isHeld()) return this.#pass('writeHead', args);
    if (this.#head) throw headersSent();
    const { request, response } = this.#pair;
    // HTTP/2 has no such text, and Node warns when it is read.
    const head = readHead(args, request.httpVersionMajor < 2 ? response.statusMessage : undefined);
    if (!head) return this.#pass('writeHead', args);
    if (head.status < 200) {
      this.#giveUp('informational');
      return this.#pass('writeHead', args);
    }
    setFields(response, head.fields);
    this.#fixHead({ status: head.status, message: head.message, isExplicit: !this.#isImplicit });
    return response;
  }

  #write(args: unknown[]): unknown {
    const [chunk, encoding, callback] = writeArguments(args);
    if (this.#flow === 'passed' || !isChunk(chunk) || !this.#isHeld()) return this.#pass('write', args);
    if (this.#flow === 'ended') {
      refuse(callback, 'ERR_STREAM_WRITE_AFTER_END', 'write after end');
      return false;
    }
    if (!this.#head) this.#implicitHead();
    const bytes = bytesOf(chunk, encoding);
    if (this.#flow === 'held' && this.#hold(bytes)) {
      if (callback) process.nextTick(callback);
      return true;
    }
    return this.#pass('write', args);
  }

  #end(args: unknown[]): unknown {
    const [chunk, encoding, callback] = endArguments(args);
    if (this.#flow === 'passed' || (chunk && !isChunk(chunk)) || !this.#isHeld())
      return this.#pass('end', args);
    const { response } = this.#pair;
    if (this.#flow === 'ended') {
      refuse(callback, 'ERR_STREAM_ALREADY_FINISHED', 'Cannot call end after a stream was finished');
      return response;
    }
    if (!this.#head) this.#implicitHead();
    const last = isChunk(chunk) ? bytesOf(chunk, encoding) : NOTHING;
    // A body that comes in one piece is the application's already, and need not be copied.
    const isHeld = this.#isWritten ? this.#flow === 'held' && this.#hold(last) : this.#fits(last.length);
    if (this.#flow !== 'held' || !isHeld) return this.#pass('end', args);
    this.#flow = 'ended';
    // Not `finished`: by that Node tells which connections it may close when the server closes.
    const restoreEnd = shadowProperties(response, {
      writableEnded: { get: () => true },
      writableFinished: { get: () => false },
    });
    void this.#conclude(this.#isWritten ? NOTHING : last, callback, restoreEnd);
    return response;
  }

  #flushHeaders(): unknown {
    if (this.#flow === 'held' || (this.#flow === 'open' && this.#isHeld())) this.#giveUp('headers_flushed');
    return this.#flow === 'ended' ? undefined : this.#pass('flushHeaders', []);
  }

  #addTrailers(args: unknown[]): unknown {
    if (this.#flow === 'held' || (this.#flow === 'open' && this.#isHeld())) this.#giveUp('trailers');
    return this.#flow === 'ended' ? undefined : this.#pass('addTrailers', args);
  }

  /** Whether the response is kept back; decided when something is about to leave for the first time. */
  #isHeld(): boolean {
    if (this.#flow !== 'open') return true;
    if (this.#head ?? this.#held) return true;
    const { response } = this.#pair;
    if (response.headersSent || this.#pair.isGone || !this.#options.isWanted()) {
      this.#flow = 'passed';
      return false;
    }
    this.#held = new HeldBytes(this.#options.budget);
    return true;
  }

  /** As Node does: through `writeHead` of the code that has wrapped it, so that their headers are in the head. */
  #implicitHead(): void {
    const { response } = this.#pair;
    this.#isImplicit = true;
    try {
      response.writeHead(response.statusCode);
    } finally {
      this.#isImplicit = false;
    }
  }

  #fixHead(head: ResponseHead): void {
    const { response } = this.#pair;
    this.#head = head;
    const refusal = {
      value: () => {
        throw headersSent();
      },
    };
    this.#restore = shadowProperties(response, {
      headersSent: { get: () => true },
      setHeader: refusal,
      setHeaders: refusal,
      appendHeader: refusal,
      removeHeader: refusal,
    });
    this.#flow = 'held';
    // The caller may go away while the application is still writing.
    response.once('close', () => this.#gone());
    const reason = this.#unsignable(head);
    if (reason) this.#giveUp(reason);
  }

  /** The caller has gone: what else is written is for Node to refuse. */
  #gone(): void {
    this.#held?.free();
    if (this.#flow !== 'held') return;
    this.#flow = 'passed';
    this.#restore();
  }

  #unsignable({ status }: ResponseHead): UnsignedReason | undefined {
    const { response } = this.#pair;
    if (/^text\/event-stream\b/i.test(String(response.getHeader('content-type') ?? '')))
      return 'event_stream';
    if (response.hasHeader('trailer')) return 'trailers';
    if (isBodiless(this.#method, status)) return undefined;
    return Number(response.getHeader('content-length') ?? 0) > this.#options.maxBytes
      ? 'response_too_large'
      : undefined;
  }

  /** Keeps the bytes, or gives up. */
  #hold(bytes: Buffer): boolean {
    this.#isWritten = true;
    if (this.#hasNoBody()) return true;
    if (!this.#fits(bytes.length)) return false;
    if (this.#held?.append(bytes)) return true;
    this.#giveUp('body_budget_full');
    return false;
  }

  #fits(more: number): boolean {
    const isBounded = this.#hasNoBody() || (this.#held?.length ?? 0) + more <= this.#options.maxBytes;
    if (!isBounded) this.#giveUp('response_too_large');
    return isBounded;
  }

  #hasNoBody(): boolean {
    return isBodiless(this.#method, this.#head?.status ?? 0);
  }

  /** Lets out what is held, unsigned; what follows passes. */
  #giveUp(reason: UnsignedReason): void {
    if (this.#flow === 'passed') return;
    this.#options.onUnsigned(reason);
    this.#release({});
  }

  async #conclude(last: Buffer, callback: Callback | undefined, restoreEnd: () => void): Promise<void> {
    const { response } = this.#pair;
    try {
      const status = this.#head?.status ?? 0;
      const body = this.#hasNoBody() ? NOTHING : Buffer.concat([...(this.#held?.pieces() ?? []), last]);
      const signature = await this.#signature(status, body);
      restoreEnd();
      this.#release(signature);
      this.#node.end.call(response, ...(last.length > 0 && !this.#hasNoBody() ? [last] : []), callback);
    } catch (error) {
      // Nothing that Node has accepted from the application comes here; a head that is half out cannot be mended.
      this.#options.onUnsigned('signing_failed', error);
      response.destroy();
    }
  }

  async #signature(status: number, body: Uint8Array): Promise<Record<string, string>> {
    try {
      return await this.#options.sign(status, body);
    } catch (error) {
      this.#options.onUnsigned('signing_failed', error);
      return {};
    }
  }

  /** Gives Node the head with these headers, and what was written so far. */
  #release(signature: Record<string, string>): void {
    const { response } = this.#pair;
    this.#flow = 'passed';
    this.#restore();
    // Those of another signature, of an upstream say, would present these bytes as signed.
    for (const name of MAUTH_NAMES) response.removeHeader(name);
    for (const [name, value] of Object.entries(signature)) response.setHeader(name, value);
    if (!this.#head) return;
    const { status, message, isExplicit } = this.#head;
    const write = () =>
      this.#node.writeHead.call(response, status, ...(message === undefined ? [] : [message]));
    response.statusCode = status;
    // Node writes an implicit head by this name; those who wrap `writeHead` have been called once already.
    if (isExplicit) write();
    else Object.defineProperty(response, '_implicitHeader', { value: write, configurable: true });
    if (this.#isWritten && !this.#hasNoBody() && !this.#pair.isGone) {
      this.#node.write.call(response, Buffer.concat(this.#held?.pieces() ?? []));
    }
    this.#held?.free();
  }

  #pass(name: MethodName, args: unknown[]): unknown {
    return this.#node[name].call(this.#pair.response, ...args);
  }
}

/** Puts properties in front of those that an object has. Returns what takes them away again. */
export function shadowProperties(
  target: object,
  properties: Readonly<Record<string, PropertyDescriptor>>,
): () => void {
  const names = Object.keys(properties);
  const before = names.map((name) => Object.getOwnPropertyDescriptor(target, name));
  for (const name of names) Object.defineProperty(target, name, { ...properties[name], configurable: true });
  return () => {
    names.forEach((name, index) => {
      const descriptor = before[index];
      if (descriptor) Object.defineProperty(target, name, descriptor);
      else Reflect.deleteProperty(target, name);
    });
  };
}
