import { KeyObject } from 'node:crypto';
import { MAuthUnableToSignError } from '../config/errors.js';
import { type MAuthOptions, type MAuthSettings, type MAuthSignVersions } from '../config/options.js';
import { parseSignVersions, resolveSettings } from '../config/settings.js';
import {
  V1StringDigest,
  V2BodyDigest,
  MalformedMessageError,
  bodyBytes,
  requestLineOf,
  statusLineOf,
  StatusLine,
  sha512Hex,
  SHA512_OF_NOTHING,
  timeOf,
  v1Closing,
  v1Opening,
  v2Text,
  type MessageBody,
  type MessageHead,
} from '../protocol/string-to-sign.js';
import { MAuthEvents } from '../events/mauth-events.js';
import { toBytes } from '../protocol/byte-string.js';
import { writeHeaders } from '../protocol/headers.js';
import { signV1Digest, signV2 } from '../protocol/signature.js';
import { OwnPrivateKey } from './own-private-key.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

/** What a signer needs of the options. */
export type MAuthSignerOptions = Pick<
  MAuthOptions,
  | 'appUuid'
  | 'privateKey'
  | 'privateKeyFile'
  | 'decryptPrivateKey'
  | 'findPublicKey'
  | 'signVersions'
  | 'now'
  | 'logger'
  | 'observers'
>;

/** A request to sign. */
export interface MAuthRequestToSign {
  /** As sent, in upper case. */
  readonly method: string;
  /** Path and query as sent, or an absolute URL, of which they are cut off as text. */
  readonly url: string | Uint8Array;
  /** The very bytes that will be sent, or text that stands for its UTF-8 bytes; none is the same as empty. */
  readonly body?: Uint8Array | string | null | undefined;
}

/** A response to sign. */
export interface MAuthResponseToSign {
  /** Three digits. */
  readonly status: number;
  /** The very bytes that will be sent; responses to HEAD, 204 and 304 have none. */
  readonly body?: Uint8Array | string | null | undefined;
}

/** For one signature, instead of what the signer was made with. */
export interface MAuthSignOverrides {
  /** Seconds since 1970. */
  time?: number;
  signVersions?: MAuthOptions['signVersions'];
}

/**
 * Signs requests and responses as one app. The private key is parsed once and never leaves the signer.
 *
 * @example
 * const signer = new MAuthSigner({ appUuid, privateKeyFile: 'key.pem', signVersions: 'v2' });
 * const headers = await signer.signRequest({ method: 'POST', url: '/studies?page=1', body: '{}' });
 * await fetch('https://api.example.com/studies?page=1', { method: 'POST', body: '{}', headers });
 */
export class MAuthSigner {
  /** UUID of the app that signs, as it was given. */
  readonly appUuid: string;
  /** The versions that are signed unless a call says otherwise. */
  readonly signVersions: MAuthSignVersions;
  readonly #now: () => number;
  readonly #events: MAuthEvents;
  readonly #ownKey: OwnPrivateKey;

  /** @internal where the options were resolved before */
  constructor(settings: MAuthSettings, ownKey: OwnPrivateKey);
  /** @throws MAuthConfigurationError that names the option and the remedy */
  constructor(options: MAuthSignerOptions);
  constructor(options: MAuthSignerOptions | MAuthSettings, ownKey?: OwnPrivateKey) {
    const isResolved = ownKey instanceof OwnPrivateKey;
    const settings = isResolved ? (options as MAuthSettings) : resolveSettings(options);
    this.appUuid = settings.appUuid;
    this.signVersions = settings.signVersions;
    this.#now = settings.now;
    this.#events = new MAuthEvents(settings);
    this.#ownKey = isResolved ? ownKey : new OwnPrivateKey(options as MAuthSignerOptions, settings.logger);
  }

  /** Whether there is a private key to sign with; without one every signature fails with `no_private_key`. */
  get canSign(): boolean {
    return this.#ownKey.current !== undefined;
  }

  /** Resolves when the key is there; rejects with MAuthConfigurationError when it could not be decrypted. */
  async ready(): Promise<void> {
    await this.#ownKey.current;
  }

  /**
   * Signs with another private key from now on: for applications that fetch their key themselves. A `privateKeyFile`
   * is read again without this, some seconds after it has changed. What is being signed is signed with the old key.
   *
   * @param key PEM, or what `createPrivateKey` of node:crypto returns
   * @throws MAuthConfigurationError where it cannot be used; then the key stays as it was
   *
   * @example
   * setInterval(async () => signer.useKey(await vault.read('mauth-key')), 60_000).unref();
   */
  useKey(key: string | KeyObject): void {
    this.#ownKey.use(key);
  }

  /**
   * Exactly the headers to set on the request, by name.
   *
   * @throws MAuthUnableToSignError `malformed_method`, `malformed_url`, `malformed_body`, `malformed_time`,
   * `malformed_sign_versions`, `no_private_key`; MAuthConfigurationError when the key could not be decrypted
   */
  signRequest(request: MAuthRequestToSign, overrides?: MAuthSignOverrides): Promise<Record<string, string>> {
    return this.#sign(() => requestLineOf(request), ownProperty(request, 'body'), overrides);
  }

  /**
   * As `signRequest`, for a body that would have to be joined first: an authentication ticket for the MAuth service.
   *
   * @internal
   * @param pieces are read once for each version that is signed; text stands for its UTF-8 bytes
   */
  signRequestInPieces(
    request: Omit<MAuthRequestToSign, 'body'>,
    pieces: Pieces,
  ): Promise<Record<string, string>> {
    return this.#sign(() => requestLineOf(request), new InPieces(pieces));
  }

  /**
   * Exactly the headers to set on the response, by name. Errors as for `signRequest`, and `malformed_status`.
   */
  signResponse(
    response: MAuthResponseToSign,
    overrides?: MAuthSignOverrides,
  ): Promise<Record<string, string>> {
    return this.#sign(() => statusLineOf(response), ownProperty(response, 'body'), overrides);
  }

  async #sign(
    readHead: () => MessageHead,
    body: MessageBody | InPieces,
    overrides?: MAuthSignOverrides,
  ): Promise<Record<string, string>> {
    const begun = performance.now();
    const { current } = this.#ownKey;
    const key = current instanceof KeyObject ? current : await current;
    if (!key)
      throw new MAuthUnableToSignError('no_private_key', 'Set `privateKey` or `privateKeyFile` to sign.');
    const { time: at, signVersions } = overrides ? ownProperties(overrides) : NO_OVERRIDES;
    const { head, bytes, time } = this.#checked(readHead, body, at);
    const versions = signVersions === undefined ? this.signVersions : readVersions(signVersions);
    const headers = this.#headersFor(key, { head, bytes, time }, versions);
    if (!this.#events.areSignaturesObserved) return headers;
    await headers;
    this.#events.signed({
      kind: head instanceof StatusLine ? 'response' : 'request',
      versions,
      durationMs: performance.now() - begun,
      bodyBytes: bytes.length,
    });
    return headers;
  }

  async #headersFor(
    key: KeyObject,
    { head, bytes, time }: CheckedMessage,
    versions: MAuthSignVersions,
  ): Promise<Record<string, string>> {
    // V2 first: it is on the thread pool while V1, which has no asynchronous form, is made here.
    const v2 = versions === 'v1' ? undefined : this.#signV2(key, head, bytes, time);
    if (v2 && versions === 'v2') return writeHeaders(2, this.appUuid, await v2, time);
    v2?.catch(() => undefined); // Should V1 fail meanwhile, this one is not awaited.
    const headers = writeHeaders(1, this.appUuid, this.#signV1(key, head, bytes, time), time);
    return v2 ? { ...headers, ...writeHeaders(2, this.appUuid, await v2, time) } : headers;
  }

  #checked(readHead: () => MessageHead, body: MessageBody | InPieces, time?: number): CheckedMessage {
    try {
      return {
        head: readHead(),
        bytes: body instanceof InPieces ? body : bodyBytes(body),
        time: timeOf(time ?? Math.floor(this.#now() / 1000)),
      };
    } catch (cause) {
      if (!(cause instanceof MalformedMessageError)) throw cause;
      throw new MAuthUnableToSignError(cause.code, `The message cannot be signed: ${cause.message}`, {
        cause,
      });
    }
  }

  #signV1(key: KeyObject, head: MessageHead, body: Uint8Array | InPieces, time: string): Buffer {
    const digest = new V1StringDigest(v1Opening(head), v1Closing(this.appUuid, time));
    if (body instanceof InPieces) body.giveTo(digest);
    else digest.update(body);
    return signV1Digest(key, digest.digest());
  }

  #signV2(key: KeyObject, head: MessageHead, body: Uint8Array | InPieces, time: string): Promise<Buffer> {
    return signV2(key, toBytes(v2Text(head, v2Digest(body), this.appUuid, time)));
  }
}

/** A message that can be signed. */
interface CheckedMessage {
  readonly head: MessageHead;
  readonly bytes: Uint8Array | InPieces;
  readonly time: string;
}

/** A body that comes piece by piece. */
interface Pieces extends Iterable<Uint8Array | string> {
  /** Of the whole body, in bytes. */
  readonly length: number;
}

const NO_OVERRIDES: MAuthSignOverrides = ownProperties({});

function readVersions(text: string): MAuthSignVersions {
  const versions = parseSignVersions(String(text));
  if (versions) return versions;
  throw new MAuthUnableToSignError('malformed_sign_versions', '`signVersions` must be v1, v2 or v1,v2.');
}

function v2Digest(body: Uint8Array | InPieces): string {
  if (body instanceof InPieces) return body.giveTo(new V2BodyDigest()).digest();
  return body.length === 0 ? SHA512_OF_NOTHING : sha512Hex(body);
}

/** A class, because bytes and text can be iterated as well: only this tells pieces from a whole body. */
class InPieces {
  constructor(private readonly pieces: Pieces) {}

  get length(): number {
    return this.pieces.length;
  }

  giveTo<T extends V1StringDigest | V2BodyDigest>(digest: T): T {
    for (const piece of this.pieces) digest.update(piece);
    return digest;
  }
}
