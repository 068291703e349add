import { ownProperties } from '../../protocol/own-properties.js';
import { type MAuthSigner } from '../../signing/mauth-signer.js';
import { cleanError } from '../clean-outcome.js';
import { fetchBody, type FetchBody, CARRIED, fetchCall } from './fetch-request.js';
import {
  isHttp,
  redirectOf,
  requestTarget,
  signatureOf,
  type RequestSigner,
  type SignedStep,
} from '../signed-step.js';
import { readSignedOrigins, readMaxStreamBytes, type MAuthSigningOptions } from '../signing-options.js';
type Fetch = typeof globalThis.fetch;

/** One request of a chain, in the terms of fetch. */
interface FetchStep extends SignedStep {
  readonly headers: Headers;
  readonly body: FetchBody;
}

// As many as the fetch standard follows.
const MAX_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * A fetch that signs what it sends. It is called like the built-in one, and signs the very bytes and the very URL that
 * leave; redirects within one origin are signed afresh, and one to another origin goes without MAuth headers. Origins
 * that are not in `signedOrigins` get none either.
 *
 * `Request`, `FormData`, Blobs and streams may be those of another implementation, such as the undici package. A
 * `dispatcher` belongs into the options of the call, for it cannot be read from a `Request`.
 *
 * Bodies are read into memory first; a stream, Blob or form above `maxStreamBytes` is refused. As the fetch standard
 * has it, a stream is not sent again after a redirect.
 *
 * What cannot be signed rejects with `MAuthUnableToSignError`, code `body_consumed`, `body_too_large`,
 * `body_unsupported`, `body_unreadable`, `signing_failed` or one of the signer's; nothing is sent then. Other errors are those of fetch,
 * without anything in them that would show a signature.
 *
 * @param fetch the built-in one, or another that behaves like it
 * @throws MAuthConfigurationError when an option is wrong
 *
 * @example
 * const mauthFetch = signedFetch(fetch, new MAuthSigner(options), { signedOrigins: [origin] });
 * const response = await mauthFetch(`${origin}/studies`, { method: 'POST', body: JSON.stringify({ name: 'Mediflex' }) });
 */
export function signedFetch(
  fetch: typeof globalThis.fetch,
  signer: Pick<MAuthSigner, 'signRequest'>,
  options: MAuthSigningOptions = {},
): typeof globalThis.fetch {
  const { signedOrigins, maxStreamBytes } = ownProperties(options);
  const isSigned = readSignedOrigins(signedOrigins);
  const maxBytes = readMaxStreamBytes(maxStreamBytes);
  const send: Fetch = async (input, init) => {
    const call = fetchCall(input, init);
    const { url, headers, signal } = call;
    if (!isHttp(url) || !isSigned(url.origin)) return fetch(input, { ...init, headers });
    const { request, body } = await fetchBody(call, maxBytes);
    return new SignedFetching(fetch, signer, request, { ...init, signal }).run(body);
  };
  return (input, init) =>
    send(input, init).catch((error: unknown) => {
      throw cleanError(error);
    });
}

/** One call, with the redirects that it meets. */
class SignedFetching {
  constructor(
    private readonly fetch: Fetch,
    private readonly signer: RequestSigner,
    private readonly request: Request,
    private readonly init: RequestInit,
  ) {}

  async run(body: FetchBody): Promise<Response> {
    const { url, method, headers, redirect } = this.request;
    let step: FetchStep = { url: new URL(url), method, headers: new Headers(headers), body, signed: true };
    if (redirect !== 'follow') return this.#send(step, redirect);
    for (let followed = 0; ; followed++) {
      const response = await this.#send(step, 'manual');
      const location = redirectLocation(response);
      if (location === undefined) return followed > 0 ? markRedirected(response) : response;
      await response.body?.cancel();
      if (followed >= MAX_REDIRECTS) throw failed('redirect count exceeded');
      step = nextStep(step, response.status, location);
    }
  }

  async #send(step: FetchStep, redirect: RequestInit['redirect']): Promise<Response> {
    const { url, method, body } = step;
    const headers = new Headers(step.headers);
    const signature = await signatureOf(step, body.bytes, this.signer);
    for (const [name, value] of Object.entries(signature)) headers.set(name, value);
    const carried = Object.fromEntries(CARRIED.map((name) => [name, this.request[name]]));
    return this.fetch(url.origin + requestTarget(url), {
      ...this.init,
      ...carried,
      method,
      headers,
      body: body.bytes.length > 0 ? new Uint8Array(body.bytes) : undefined,
      redirect,
    });
  }
}

function redirectLocation(response: Response): string | undefined {
  if (response.type === 'opaqueredirect') {
    throw failed('this fetch does not tell where a redirect leads, so it cannot be followed and signed');
  }
  const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
  return location === null ? undefined : locationText(location);
}

/** Headers hand over bytes; servers write UTF-8 there, and the built-in fetch reads it as that. */
function locationText(location: string): string {
  return Buffer.from(location, 'latin1').toString('utf8');
}

/** By the rules of the fetch standard (HTTP-redirect fetch). */
function nextStep(step: FetchStep, status: number, location: string): FetchStep {
  if (!URL.canParse(location, step.url.href)) throw failed('the location of a redirect is no URL');
  const url = new URL(location, step.url);
  if (!isHttp(url)) throw failed('a redirect leads to something other than HTTP');
  if (url.username || url.password) throw failed('a redirect leads to a URL with credentials');
  const { method, isGet, isElsewhere, drops } = redirectOf(step, status, url);
  if (!isGet && step.body.isStream)
    throw failed('a body that is a stream cannot be sent again after a redirect');
  const headers = new Headers(step.headers);
  for (const name of [...headers.keys()]) {
    if (drops(name) || (isElsewhere && name === 'host')) headers.delete(name);
  }
  const body = isGet ? { bytes: Buffer.alloc(0), isStream: false } : step.body;
  return { url, method, headers, body, signed: step.signed && !isElsewhere };
}

/** What fetch tells of a chain that it has followed itself. */
function markRedirected(response: Response): Response {
  return Object.defineProperty(response, 'redirected', { value: true, configurable: true });
}

/** As fetch fails. */
function failed(reason: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(reason) });
}
