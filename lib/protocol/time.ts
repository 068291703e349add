const TIME = /^[1-9]\d{0,11}$/;

/** Whether the text is a time: seconds since 1970 in plain ASCII digits, without sign, point or leading zero. */
export function isTime(text: unknown): text is string {
  return typeof text === 'string' && TIME.test(text);
}
