import { MAuthUnableToSignError } from '../../config/errors.js';
import { type RequestConfig } from './axios-types.js';

/** Reading of a body that can be interrupted. */
export interface Reading {
  readonly signal: AbortSignal;
  stop(): void;
}

/**
 * The caller's `timeout`, `signal` and `cancelToken`, over all that one request of his takes: reading the body,
 * signing, and each redirect. axios itself looks after the part in which an adapter is at work.
 */
export class RequestDeadline {
  readonly #config: RequestConfig;
  readonly #timeout: number;
  readonly #start = performance.now();

  constructor(config: RequestConfig) {
    this.#config = config;
    this.#timeout = Number.parseInt(String(config.timeout ?? 0), 10);
  }

  /** Call `stop` when the body has been read. */
  startReading(): Reading {
    const controller = new AbortController();
    const { signal, cancelToken } = this.#config;
    // axios reports the cancellation itself, as soon as the adapter has failed for whatever reason.
    const cancel = () => controller.abort(new Error('The request was cancelled.'));
    if (signal?.aborted) cancel();
    signal?.addEventListener?.('abort', cancel);
    const subscription = cancelToken?.promise.then(cancel) as { cancel?: () => void } | undefined;
    const timer =
      this.#timeout > 0 ? setTimeout(() => controller.abort(this.#timedOut()), this.#timeout) : undefined;
    return {
      signal: controller.signal,
      stop: () => {
        clearTimeout(timer);
        signal?.removeEventListener?.('abort', cancel);
        // A promise of a cancel token can be unsubscribed; tokens may outlive many requests.
        subscription?.cancel?.();
      },
    };
  }

  /** What is left for the adapter, in milliseconds, with the message of a time-out that has begun earlier. */
  rest(): Pick<RequestConfig, 'timeout' | 'timeoutErrorMessage'> {
    const { timeout, timeoutErrorMessage } = this.#config;
    if (!(this.#timeout > 0)) return { timeout, timeoutErrorMessage };
    const rest = this.#timeout - Math.floor(performance.now() - this.#start);
    return {
      timeout: Math.max(1, rest),
      timeoutErrorMessage: timeoutErrorMessage ?? `timeout of ${this.#timeout}ms exceeded`,
    };
  }

  #timedOut(): MAuthUnableToSignError {
    return new MAuthUnableToSignError(
      'body_timeout',
      `The stream that is the body did not end within the \`timeout\` of ${this.#timeout} ms; nothing was sent.`,
    );
  }
}
