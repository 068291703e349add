import { type KeyObject } from 'node:crypto';
import { type MAuthSettings } from '../config/options.js';
import { requestSubject } from '../events/printable.js';
import { type MAuthHeaderFields } from '../protocol/headers.js';
import { type RequestLine } from '../protocol/string-to-sign.js';
import { type LocalVerifier } from './local-verifier.js';
import { isPromise, type MaybePromise } from './maybe-promise.js';
import { PresentedSignature } from './presented-signatures.js';
import { type Verdict, type Verifier } from './verification.js';

/** Larger bodies are not kept, in bytes. */
const MAX_BODY = 1024 * 1024;
/** How many mismatches may wait for their explanation; each may take a second. */
const MAX_WAITING = 16;

let waiting = 0;
/** One after the other, so that what else there is to do gets its turn between them. */
let lastExplanation: Promise<void> = Promise.resolve();

interface ReceivedHead {
  readonly method: string;
  readonly url: string | Uint8Array;
  readonly headers: MAuthHeaderFields;
}

/** Has each signature that does not match explained in the log; see the option `explainFailures`. */
export class ExplainedVerifier implements Verifier {
  readonly #request: ReceivedHead;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(
    private readonly verifier: LocalVerifier,
    /** As it came: what comes next in the application may change the headers. */
    request: ReceivedHead,
    private readonly head: RequestLine,
    private readonly settings: Pick<MAuthSettings, 'logger'>,
  ) {
    const { method, url, headers } = request;
    this.#request = { method, url, headers: Symbol.iterator in headers ? headers : { ...headers } };
  }

  get mismatch(): LocalVerifier['mismatch'] {
    return this.verifier.mismatch;
  }

  update(chunk: Uint8Array, isWhole?: boolean): void {
    this.#keep(chunk);
    this.verifier.update(chunk, isWhole);
  }

  prepare(): ReturnType<Verifier['prepare']> {
    return this.verifier.prepare();
  }

  verify(body?: Uint8Array): MaybePromise<Verdict> {
    if (body) this.#keep(body);
    const verdict = this.verifier.verify(body);
    return isPromise(verdict) ? verdict.then((late) => this.#look(late)) : this.#look(verdict);
  }

  #keep(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    // A copy: the explanation comes when the request is long answered.
    if (this.#bytes <= MAX_BODY) this.#pieces.push(Uint8Array.from(chunk));
    else this.#pieces = [];
  }

  #look(verdict: Verdict): Verdict {
    const { key } = this.verifier;
    if (!(verdict instanceof PresentedSignature) && verdict.code === 'signature_mismatch' && key) {
      this.#explain(key);
    }
    this.#pieces = [];
    return verdict;
  }

  #explain(publicKey: KeyObject): void {
    const body = this.#bytes > MAX_BODY ? undefined : Buffer.concat(this.#pieces);
    if (!body) return this.#log('its body has more than 1 MiB, so it was not kept');
    if (waiting >= MAX_WAITING) return this.#log('too many others are waiting to be explained');
    waiting++;
    lastExplanation = lastExplanation.then(() => this.#explainInTurn(publicKey, body));
  }

  async #explainInTurn(publicKey: KeyObject, body: Buffer): Promise<void> {
    try {
      const { explainRequest } = await import('../explain/explain-request.js');
      // The request is answered first.
      await new Promise((resolve) => setImmediate(resolve));
      // Without the clock: that the time is accepted was seen before.
      const { verdict, causes } = explainRequest({ ...this.#request, body, publicKey });
      const told = causes.map(({ code, text, remedy }) => `${code}. ${text} ${remedy}`);
      this.#log(told.length > 0 ? `${verdict}: ${told.join(' ')}` : `${verdict}: no cause could be proven`);
    } catch {
      this.#log('the explanation failed');
    } finally {
      waiting--;
    }
  }

  #log(explanation: string): void {
    try {
      const subject = requestSubject(this.head.method, this.head.path);
      this.settings.logger.warn(`MAuth: why the signature of ${subject} does not match: ${explanation}`);
    } catch {
      // The logger may be what has failed, and nothing depends on this line.
    }
  }
}
