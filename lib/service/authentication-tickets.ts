/** What the MAuth service is asked in remote mode, but for the body; the names are those of its API. */
export interface AuthenticationTicket {
  readonly verb: string;
  readonly app_uuid: string;
  /** Base64. */
  readonly client_signature: string;
  /** Path, without query. */
  readonly request_url: string;
  /** Seconds since 1970, as sent. */
  readonly request_time: string;
  /** V2 only: as sent, without its `?`. */
  readonly query_string?: string;
  /** V2 only. */
  readonly token?: 'MWSV2';
}

/** Whoever decides about authentication tickets: the MAuth service. */
export interface AuthenticationTickets {
  /**
   * Whether the request that the ticket describes is authentic.
   *
   * @param body bytes of the request, in order; they must stay as they are until the promise settles
   * @throws MAuthUnableToAuthenticateError with a `MAuthUndecidedCode` when the service could not tell
   */
  isAuthentic(ticket: AuthenticationTicket, body: readonly Uint8Array[]): Promise<boolean>;
}
