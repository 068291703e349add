const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * `JSON.parse`, but an object that names a member twice is refused: RFC 8259, section 4, leaves open which of the
 * two counts, so two readers could see two different keys.
 *
 * @throws SyntaxError
 */
export function parseUnambiguousJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const open: (Set<string> | undefined)[] = [];
  let before = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') addMember(open.at(-1), JSON.parse(before) as string);
    before = token;
  }
  return value;
}

function addMember(members: Set<string> | undefined, name: string): void {
  if (members?.has(name)) throw new SyntaxError('A member of an object is named twice.');
  members?.add(name);
}
