/** What to do, by the names of the errors of KMS and of the AWS SDK. */
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
