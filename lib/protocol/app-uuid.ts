const APP_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Characters of an app UUID in its only accepted form, 8-4-4-4-12. */
export const APP_UUID_LENGTH = 36;

/** Whether the text is a UUID in the form 8-4-4-4-12 of hexadecimal digits, in either case, and nothing else. */
export function isAppUuid(text: unknown): text is string {
  return typeof text === 'string' && APP_UUID.test(text);
}
