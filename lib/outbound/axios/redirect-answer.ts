import { type AxiosResponse, type RequestConfig } from './axios-types.js';

/** An answer of the adapter, and the error that axios made of it, if it did. */
export interface Answer {
  readonly response: AxiosResponse;
  readonly refusal?: object;
}

/** The statuses at which a Location is followed. */
export function isRedirectStatus(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Where the response redirects to, as sent; undefined when it does not. */
export function redirectLocation({ status, headers }: AxiosResponse): string | undefined {
  const location: unknown = (headers as { get(name: string): unknown }).get('location');
  return isRedirectStatus(status) && typeof location === 'string' && location !== '' ? location : undefined;
}

/** Gives up the body of an answer that nobody will read. */
export function discard({ data }: AxiosResponse): void {
  const stream = data as { destroy?: () => void; cancel?: () => Promise<void> } | undefined;
  if (typeof stream?.destroy === 'function') stream.destroy();
  else if (typeof stream?.cancel === 'function') void stream.cancel().catch(() => undefined);
}

/** Notes the URL that the answer came from where follow-redirects does; Node's own transport does not. */
export function arrivedFrom(url: string | undefined, response: AxiosResponse): AxiosResponse {
  const message = (response.request as { res?: { responseUrl?: string } } | undefined)?.res;
  if (message && url !== undefined && URL.canParse(url)) message.responseUrl ??= url;
  return response;
}

type AxiosErrorClass = new (message: string, code: string, config: RequestConfig, request: unknown) => Error;

/** The error of a chain that is longer than `maxRedirects`, as axios has it. */
export function tooManyRedirects(answer: Answer): Error {
  return axiosError(answer, 'ERR_FR_TOO_MANY_REDIRECTS', 'Maximum number of redirects exceeded');
}

/** The error of a redirect that cannot be followed, as axios has it. */
export function redirectFailed(answer: Answer, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = axiosError(answer, 'ERR_FR_REDIRECTION_FAILURE', `Redirected request failed: ${reason}`);
  return Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
}

/** Of axios' own class, where axios has made an error on the way. */
function axiosError({ refusal, response }: Answer, code: string, message: string): Error {
  const ErrorClass = refusal?.constructor as AxiosErrorClass | undefined;
  if (!ErrorClass) return Object.assign(new Error(message), { code });
  return new ErrorClass(message, code, response.config, response.request);
}
