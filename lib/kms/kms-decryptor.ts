import { MAuthConfigurationError } from '../config/errors.js';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

/** As much of a `KMSClient` of `@aws-sdk/client-kms` as is used here. */
export interface KmsClient {
  send(command: never, options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
  destroy?(): void;
}

/** Where KMS is, and what the key was encrypted with. Everything is optional on AWS Lambda. */
export interface KmsDecryptorOptions {
  /** Default: what the AWS SDK finds, such as the environment variable AWS_REGION. */
  readonly region?: string;
  /** Base URL of KMS, for a VPC endpoint. Default: that of the region. */
  readonly endpoint?: string;
  /** A client of your own, with credentials, retries and proxies of your own; instead of `region` and `endpoint`. */
  readonly client?: KmsClient;
  /** Key that must have encrypted the ciphertext: ID, ARN or alias. Default: the one that the ciphertext names. */
  readonly keyId?: string;
  /** The context that was given when the key was encrypted. Default none. */
  readonly encryptionContext?: Readonly<Record<string, string>>;
  /** Total time for one decryption: finding credentials, connecting, repeating. Milliseconds. Default 5,000. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 5000;

/**
 * For the option `decryptPrivateKey`: decrypts a private key that was encrypted with AWS KMS. The package
 * `@aws-sdk/client-kms` is loaded when there is something to decrypt, not before.
 *
 * @returns a function from ciphertext to plain bytes. It rejects with MAuthConfigurationError, which says what to do
 * and holds neither ciphertext nor plain text: when the package is not installed, when KMS refuses, answers something
 * else or does not answer in time.
 * @throws MAuthConfigurationError when an option is wrong
 *
 * @example
 * MAuthModule.forRoot({
 *   ...mauthOptionsFromEnv(), // PRIVATE_KEY holds ciphertext in base64
 *   decryptPrivateKey: kmsDecryptor({ region: 'eu-west-1', keyId: 'alias/mauth' }),
 * });
 */
export function kmsDecryptor(given: KmsDecryptorOptions = {}): (ciphertext: Buffer) => Promise<Buffer> {
  const options = ownProperties(given);
  const deadlineMs = deadlineOf(options);
  if (options.client && (options.region !== undefined || options.endpoint !== undefined)) {
    throw new MAuthConfigurationError(
      'kmsDecryptor: `client` has its own region and endpoint; remove the options `region` and `endpoint`.',
    );
  }
  return async (ciphertext) => {
    if (ciphertext.length === 0) {
      throw new MAuthConfigurationError(
        'There is nothing for KMS to decrypt: the private key is neither a key in any accepted form nor base64.',
      );
    }
    return withinDeadline(deadlineMs, (signal) => decrypt(ciphertext, options, signal));
  };
}

function deadlineOf({ deadlineMs = DEADLINE_MS }: KmsDecryptorOptions): number {
  // Longer timers than that fire at once.
  if (Number.isInteger(deadlineMs) && deadlineMs > 0 && deadlineMs < 2 ** 31) return deadlineMs;
  throw new MAuthConfigurationError('kmsDecryptor: `deadlineMs` must be a whole number of milliseconds.');
}

async function decrypt(
  ciphertext: Buffer,
  { region, endpoint, client, keyId, encryptionContext }: KmsDecryptorOptions,
  abortSignal: AbortSignal,
): Promise<Buffer> {
  const { KMSClient, DecryptCommand } = await loadSdk();
  const command = new DecryptCommand({
    CiphertextBlob: ciphertext,
    KeyId: keyId,
    EncryptionContext: encryptionContext,
  });
  const used: KmsClient = client ?? new KMSClient({ region, endpoint });
  try {
    return plainBytes(await used.send(command as never, { abortSignal }));
  } catch (error) {
    // Not as `cause`: the SDK's errors carry the whole answer with them.
    throw new MAuthConfigurationError(`AWS KMS did not decrypt the private key: ${reasonOf(error)}`);
  } finally {
    if (used !== client) used.destroy?.();
  }
}

async function loadSdk() {
  try {
    return await import('@aws-sdk/client-kms');
  } catch (cause) {
    throw new MAuthConfigurationError(
      'The private key is ciphertext, and the package that decrypts it cannot be loaded: npm install @aws-sdk/client-kms',
      { cause },
    );
  }
}

function plainBytes(answer: unknown): Buffer {
  const Plaintext = ownProperty(answer, 'Plaintext');
  if (Plaintext instanceof Uint8Array && Plaintext.length > 0) return Buffer.from(Plaintext);
  throw new Error('no plain text');
}

/** The SDK obeys the signal only while it talks to KMS, not while it looks for credentials. */
async function withinDeadline<T>(
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new MAuthConfigurationError(
          `AWS KMS did not decrypt the private key within ${milliseconds} ms: check region, endpoint, network and ` +
            'credentials, or raise `deadlineMs`.',
        ),
      );
      controller.abort();
    }, milliseconds);
  });
  try {
    return await Promise.race([work(controller.signal), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** Remedies, by the names of the errors of KMS and of the AWS SDK. */
const REMEDIES: Readonly<Record<string, string>> = {
  AccessDeniedException: 'allow this role kms:Decrypt on the key.',
  CredentialsProviderError: 'no AWS credentials were found; give this process a role or credentials.',
  DisabledException: 'the key is disabled; enable it.',
  ExpiredTokenException: 'the AWS credentials have expired; renew them.',
  IncorrectKeyException: 'the ciphertext was encrypted with another key; correct `keyId`.',
  InvalidCiphertextException:
    'the text is not ciphertext of KMS in this region, or its encryption context is another one.',
  InvalidSignatureException: 'the AWS credentials are wrong; correct them.',
  KMSInvalidStateException: 'the state of the key does not permit it; check the key.',
  NotFoundException: 'the key does not exist in this region; correct `region` or `keyId`.',
  UnrecognizedClientException: 'the AWS credentials are wrong; correct them.',
};

/**
 * Why KMS did not decrypt, in words that may be shown. Of the error only its name, its code and the status of the
 * answer are used: messages of parsers quote what they could not read, and that may be the key.
 */
export function reasonOf(error: unknown): string {
  const { name, code, $metadata } = (error ?? {}) as FailureOfSdk;
  const label = [code, name].find(isIdentifier) ?? 'unknown error';
  const status = Number.isInteger($metadata?.httpStatusCode) ? `, status ${$metadata?.httpStatusCode}` : '';
  const remedy =
    (isIdentifier(name) && Object.hasOwn(REMEDIES, name) ? REMEDIES[name] : undefined) ??
    'check region, endpoint, network and permissions.';
  return `${remedy} (${label}${status})`;
}

/** Names and codes are words; anything else may be something that was read. */
function isIdentifier(text: unknown): text is string {
  return typeof text === 'string' && /^[A-Za-z][\w.]{0,60}$/.test(text);
}

interface FailureOfSdk {
  readonly name?: unknown;
  /** Of Node's network errors. */
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}
