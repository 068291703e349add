import { randomUUID } from 'node:crypto';
import { type MAuthSignVersions } from '../config/options.js';
import { isAppUuid } from '../protocol/headers.js';
import { MAuthSigner, type MAuthRequestToSign, type MAuthSignOverrides } from '../signing/mauth-signer.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { sharedKeyPair, type MAuthKeyPair } from './key-pairs.js';

export interface TestCallerOptions {
  /** Default: a random one. */
  appUuid?: string;
  /** Which versions of the protocol it signs with. Default `v1,v2`. */
  signVersions?: MAuthSignVersions;
  /** Default: a pair that all callers of the process share. */
  keyPair?: MAuthKeyPair;
}

/**
 * An app that calls the application under test. `MAuthTestingModule` knows the public key of each one that was made in
 * this process.
 *
 * @example
 * const rave = MAuthTestingModule.caller({ appUuid: RAVE });
 * const headers = await rave.sign({ method: 'GET', url: '/studies' });
 */
export class TestCaller {
  readonly appUuid: string;
  readonly #signVersions: MAuthSignVersions | undefined;
  readonly #keyPair: MAuthKeyPair | undefined;
  #signer: MAuthSigner | undefined;

  /** @throws MAuthConfigurationError where `appUuid` is no UUID */
  constructor({ appUuid = randomUUID(), signVersions, keyPair }: TestCallerOptions = {}) {
    if (!isAppUuid(appUuid)) {
      throw new MAuthConfigurationError(
        '`appUuid` of a test caller must be a UUID, such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.',
      );
    }
    this.appUuid = appUuid;
    this.#signVersions = signVersions;
    this.#keyPair = keyPair;
    CALLERS.set(appUuid.toLowerCase(), this);
  }

  /** PEM. */
  get publicKey(): string {
    return (this.#keyPair ?? sharedKeyPair()).publicKey;
  }

  /** Signs as this app. */
  get signer(): MAuthSigner {
    return (this.#signer ??= new MAuthSigner({
      appUuid: this.appUuid,
      privateKey: (this.#keyPair ?? sharedKeyPair()).privateKey,
      signVersions: this.#signVersions ?? 'v1,v2',
    }));
  }

  /**
   * The headers to set: for a request that the test sends in a way of its own.
   *
   * @param overrides `time` in seconds since 1970
   */
  sign(request: MAuthRequestToSign, overrides?: MAuthSignOverrides): Promise<Record<string, string>> {
    return this.signer.signRequest(request, overrides);
  }
}

/** One list for the process, also where both the CommonJS and the ES copy of this file are loaded. */
const CALLERS = ((globalThis as Record<symbol, unknown>)[Symbol.for('nestjs-mauth:test-callers')] ??=
  new Map()) as Map<string, TestCaller>;

/** The key of the caller with that app UUID; undefined where no test has made one. */
export function publicKeyOfCaller(appUuid: string): string | undefined {
  return CALLERS.get(appUuid.toLowerCase())?.publicKey;
}

let standard: TestCaller | undefined;

/** Signs where a test names no caller. */
export function standardCaller(): TestCaller {
  return (standard ??= new TestCaller());
}
