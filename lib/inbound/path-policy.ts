const ESCAPES = /%(2e|2f|5c|00)/gi;
const DECODED: Readonly<Record<string, string>> = { '2e': '.', '2f': '/', '5c': '\\', '00': '\0' };
const SEPARATING = /[\\\0]/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;

/**
 * Whether a path can be read in two ways. A router, a file server and the string to sign treat dot segments,
 * encoded or not, backslashes and NUL each in their own way, so a signature over one resource could open another.
 * Absolute-form targets are such, too: the string to sign has no host.
 *
 * @param target path and query as on the wire; the query does not count
 */
export function isAmbiguousPath(target: string): boolean {
  if (!target.startsWith('/')) return true;
  const path = pathOf(target);
  // Once, as routers do: what is still encoded after that is an ordinary part of a name.
  const decoded = path.includes('%')
    ? path.replace(ESCAPES, (_, hex: string) => DECODED[hex.toLowerCase()] ?? '')
    : path;
  return SEPARATING.test(decoded) || (decoded.includes('.') && DOT_SEGMENT.test(decoded));
}

/** The part of a target before its first `?`, as on the wire. */
export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : target.slice(0, mark);
}
