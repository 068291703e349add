import { isAmbiguousTarget } from '../../lib/authentication/path-policy.js';
import { canonicalQuery, normalizePath } from '../../lib/protocol/canonical-target.js';
import { dialectQueries } from '../../lib/protocol/query-dialects.js';
import { canonicalQueryOf, dialectQueriesOf, parametersOf } from './reference.js';

const LENGTH = 7;

/** All strings up to a length over an alphabet, the empty one first. */
function* strings(alphabet: string, length: number): Generator<string> {
  let longest = [''];
  yield '';
  for (let size = 1; size <= length; size++) {
    const longer: string[] = [];
    for (const start of longest) {
      for (const letter of alphabet) {
        yield start + letter;
        if (size < length) longer.push(start + letter);
      }
    }
    longest = longer;
  }
}

describe('Over all strings up to length 7', () => {
  /*
   * A text that decodes to the parameters of the query it was made of cannot be the text of a query with other
   * parameters, neither in the same form nor in another one. So it is enough to decode each text.
   */
  it('no text of a query, canonical or of a dialect, stands for two different lists of parameters', () => {
    let queries = 0;
    const texts = { canonical: 0, dialects: 0 };
    const confused: string[] = [];
    for (const query of strings('a=&+%2F/', LENGTH)) {
      queries++;
      const meaning = parametersOf(query).join('\u0101');
      const canonical = canonicalQuery(query);
      const dialects = dialectQueries(query, canonicalQuery(query));
      texts.canonical++;
      texts.dialects += dialects.length;
      for (const text of [canonical, ...dialects]) {
        if (parametersOf(text).join('\u0101') !== meaning) confused.push(`${query} -> ${text}`);
      }
    }
    process.stdout.write(
      `Queries: ${queries}; texts compared: ${texts.canonical} canonical, ${texts.dialects} of dialects.\n`,
    );
    expect(confused.slice(0, 10)).toEqual([]);
    expect(queries).toBe(2_396_745);
    expect(texts.dialects).toBeGreaterThan(1_000_000);
  }, 600_000);

  it('up to length 6, texts are those that come of following the rules step by step', () => {
    const different: string[] = [];
    for (const query of strings('a=&+%2F/', LENGTH - 1)) {
      const canonical = canonicalQuery(query);
      const texts = [canonical, ...dialectQueries(query, canonical)];
      const expected = [canonicalQueryOf(query), ...dialectQueriesOf(query)];
      if (texts.join('\n') !== expected.join('\n')) different.push(query);
    }
    expect(different.slice(0, 10)).toEqual([]);
  }, 600_000);

  it('no two paths that the strict policy lets through share a text, but for slashes and the case of escapes', () => {
    let paths = 0;
    const groups = new Map<string, Set<string>>();
    const ofAmbiguous = new Set<string>();
    for (const rest of strings('/.a%2eE', LENGTH - 1)) {
      const path = `/${rest}`;
      paths++;
      const text = normalizePath(path);
      if (isAmbiguousTarget(path)) {
        ofAmbiguous.add(text);
        continue;
      }
      const group = groups.get(text) ?? groups.set(text, new Set()).get(text);
      group?.add(path.replace(/\/+/g, '/').replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase()));
    }
    const confused = [...groups].filter(([, different]) => different.size > 1);
    const shared = [...ofAmbiguous].filter((text) => groups.has(text)).length;
    process.stdout.write(
      `Paths: ${paths}; texts of those that the policy lets through: ${groups.size}; ` +
        `of these, texts of refused paths as well: ${shared}.\n`,
    );
    expect(confused.slice(0, 10)).toEqual([]);
    expect(paths).toBe(137_257);
    // The policy earns its keep: without it, dot segments would share texts with plain paths.
    expect(shared).toBeGreaterThan(0);
  });
});
