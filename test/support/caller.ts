import { type MAuthSignVersions } from '../../lib/config/options.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { type TestApp } from './test-app.js';

/** An answer with its body read. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What is sent besides the signature. */
export interface ToSign {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An app that calls others over real HTTP. */
export class Caller {
  readonly #signer: MAuthSigner;

  constructor(app: TestApp, signVersions: MAuthSignVersions = 'v2') {
    this.#signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions });
  }

  /** Signs and sends. */
  async signed(url: string, init: ToSign = {}): Promise<Answered> {
    const { method = 'GET', body, headers } = init;
    const signature = await this.#signer.signRequest({ method, url, body });
    return send(url, { method, body, headers: { ...headers, ...signature } });
  }

  /** Sends with headers that were signed for something else. */
  async badlySigned(url: string): Promise<Answered> {
    return send(url, { headers: await this.#signer.signRequest({ method: 'GET', url: '/something/else' }) });
  }
}

/** Sends as it stands, with no MAuth headers but those given. */
export async function send(url: string, init: RequestInit = {}): Promise<Answered> {
  const response = await fetch(url, { ...init, redirect: 'manual' });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
