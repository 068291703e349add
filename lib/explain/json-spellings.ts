interface Spelling {
  readonly comma: string;
  readonly colon: string;
  readonly isSorted: boolean;
  /** Text of a string, with its quotes. */
  readonly quote: (text: string) => string;
}

const asAscii = (text: string): string =>
  JSON.stringify(text).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * Spellings of one JSON text that the usual libraries write: compact, with spaces, indented, sorted, in ASCII.
 *
 * @param until milliseconds since 1970: what has not been made by then is left out
 */
export function jsonSpellings(bytes: Uint8Array, until: number): Uint8Array[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof value !== 'object' || value === null) return [];
    const spellings: Uint8Array[] = [];
    for (const text of spellingsOf(value)) {
      spellings.push(Buffer.from(text, 'utf8'));
      if (Date.now() > until) break;
    }
    return spellings;
  } catch {
    return []; // No JSON, or nested too deeply.
  }
}

function* spellingsOf(value: unknown): Generator<string> {
  for (const isSorted of [false, true]) {
    for (const quote of [JSON.stringify, asAscii, (text: string) => asAscii(text).replaceAll('/', '\\/')]) {
      yield write(value, { comma: ',', colon: ':', isSorted, quote });
      yield write(value, { comma: ', ', colon: ': ', isSorted, quote });
    }
    const inOrder = isSorted ? (JSON.parse(write(value, COMPACT_SORTED)) as unknown) : value;
    for (const indent of [2, 4, '\t']) yield JSON.stringify(inOrder, null, indent);
  }
}

const COMPACT_SORTED: Spelling = { comma: ',', colon: ':', isSorted: true, quote: JSON.stringify };

function write(value: unknown, spelling: Spelling): string {
  const { comma, colon, isSorted, quote } = spelling;
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, spelling)).join(comma)}]`;
  const fields = Object.entries(value as Record<string, unknown>);
  if (isSorted) fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, item]) => quote(name) + colon + write(item, spelling)).join(comma)}}`;
}
