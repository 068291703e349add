import { type RequestConfig } from './axios-types.js';

/** What axios 1.21 knows and older ones, or their types, do not. */
type LaterConfig = Omit<RequestConfig, 'transport'> & {
  httpVersion?: unknown;
  fetchOptions?: RequestInit;
  transport?: Transport;
};

interface Transport {
  request(options: object, onResponse: unknown): unknown;
}

/** Whether axios would follow redirects of this request. */
export function followsRedirects(config: RequestConfig): boolean {
  const { maxRedirects, httpVersion, fetchOptions } = config as LaterConfig;
  // axios follows none over HTTP/2, nor when its fetch adapter is told not to.
  return (
    maxRedirects !== 0 && Number(httpVersion ?? 1) !== 2 && (fetchOptions?.redirect ?? 'follow') === 'follow'
  );
}

/** No adapter may follow a redirect on its own: it would take the signature along, to whatever origin. */
export function withoutRedirects(config: RequestConfig): Partial<RequestConfig> {
  const { fetchOptions, transport } = config as LaterConfig;
  // axios has not always looked at `maxRedirects` in its fetch adapter, nor kept these from changing a request.
  const { method: _method, headers: _headers, body: _body, ...harmless } = fetchOptions ?? {};
  return {
    maxRedirects: 0,
    beforeRedirect: undefined,
    fetchOptions: { ...harmless, redirect: 'manual' },
    ...(transport && { transport: stayingTransport(transport) }),
  } as Partial<RequestConfig>;
}

/** A caller's transport may be follow-redirects itself, which is switched off by this option. */
function stayingTransport(transport: Transport): Transport {
  return {
    request: (options, onResponse) =>
      transport.request(Object.assign(options, { followRedirects: false, maxRedirects: 0 }), onResponse),
  };
}
