import { type MAuthSigner } from 'nestjs-mauth/core';

/** A request for `fetch`. */
export interface Request {
  readonly method: string;
  readonly url: string;
  readonly body?: string;
}

/** What stands in the signature instead of what is sent. */
export interface Signed {
  readonly signVersions: 'v1' | 'v2' | 'v1,v2';
  /** Seconds since 1970; default now. */
  readonly time?: number;
  /** Signed, but not sent. */
  readonly instead?: Partial<Request>;
}

/** Signs with a MAuthSigner and sends with `fetch`: what one does without axios. */
export async function signedFetch(signer: MAuthSigner, request: Request, signed: Signed) {
  const { signVersions, time, instead } = signed;
  return plainFetch(request, await signer.signRequest({ ...request, ...instead }, { signVersions, time }));
}

/** Sends a request as it is. */
export async function plainFetch({ method, url, body }: Request, headers: Record<string, string> = {}) {
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(url, { method, body, headers: { ...headers, ...type } });
  return { status: response.status, data: await response.json() };
}
