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
  disableFallbackToV1: ['MAUTH_DISABLE_FALLBACK_TO_V1_ON_V2_FAILURE'],
} as const satisfies Record<string, readonly string[]>;
