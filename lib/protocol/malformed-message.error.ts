/** What cannot be signed about a message. */
export type MalformedMessageCode =
  | 'malformed_method'
  | 'malformed_url'
  | 'malformed_status'
  | 'malformed_body'
  | 'malformed_app_uuid'
  | 'malformed_time';

/** A message that has no string to sign, because its parts could be mistaken for one another. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';

  constructor(
    readonly code: MalformedMessageCode,
    message: string,
  ) {
    super(message);
  }
}
