/** Environment variables of each option; the first that is set wins. */
export const ENVIRONMENT = {
  appUuid: ['APP_UUID', 'MAUTH_APP_UUID', 'APP_MAUTH_UUID'],
  privateKey: ['PRIVATE_KEY', 'MAUTH_PRIVATE_KEY', 'APP_MAUTH_PRIVATE_KEY'],
  privateKeyFile: ['MAUTH_PRIVATE_KEY_FILE'],
  mauthUrl: ['MAUTH_URL'],
  apiVersion: ['MAUTH_API_VERSION'],
  mode: ['MAUTH_MODE'],
  signVersions: ['MAUTH_SIGN_VERSIONS'],
  v2OnlyAuthenticate: ['V2_ONLY_AUTHENTICATE', 'MAUTH_V2_ONLY_AUTHENTICATE'],
  disableFallbackToV1: ['MAUTH_DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE', 'DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE'],
  'service.allowHttp': ['MAUTH_ALLOW_HTTP'],
} as const satisfies Record<string, readonly string[]>;

/** The Ruby client's way to choose the versions to sign with; those without prefix are of its older releases. */
export const RUBY_SIGN_VERSIONS = {
  v2Only: ['MAUTH_V2_ONLY_SIGN_REQUESTS', 'V2_ONLY_SIGN_REQUESTS'],
  v1Only: ['MAUTH_V1_ONLY_SIGN_REQUESTS', 'V1_ONLY_SIGN_REQUESTS'],
} as const;
