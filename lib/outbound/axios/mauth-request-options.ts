/** `mauth` in the config of one request: instead of what the instance was made with. */
export interface MAuthRequestOptions {
  /** Authenticate the response. Setting `expectAppUuid` implies it. */
  authenticateResponse?: boolean;
  /** The app that must have signed the response. */
  expectAppUuid?: string;
}
