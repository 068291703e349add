const MAX_TEXT = 256;

/** Text of a message, fit for logs and events: short, and every character beyond plain ASCII escaped. */
export function printable(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return short.replace(
    /[^\x20-\x7e…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The path of a target, fit for logs and events: what stands behind a `?` or a raw `#` may be secret. */
export function printablePath(target: string): string {
  return printable(target.replace(/[?#][^]*$/, ''));
}

/** A request in a few words, fit for a log line. */
export function requestSubject(method: string, target: string): string {
  return `${printable(method)} ${printablePath(target)}`;
}
