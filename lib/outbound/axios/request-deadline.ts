import { MAuthUnableToSignError } from '../../config/errors.js';
import { type RequestConfig } from './axios-types.js';

/** A body is being read; the signal interrupts it. */
export interface Reading {
  readonly signal: AbortSignal;
  stop(): void;
}

/**
 * Applies the caller's `timeout`, `signal` and `cancelToken` to the whole request: reading the body, signing, and each
 * redirect. axios applies them only while an adapter runs.
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
    // The caller does not get this error: axios reports the cancellation as soon as the adapter has failed.
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
        // One token may serve many requests, so its list of subscribers must not grow.
        subscription?.cancel?.();
      },
    };
  }

  /** The time left for the adapter, in milliseconds, and an error message that names the caller's whole `timeout`. */
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
