import { canonicalQuery } from '../../lib/protocol/canonical-target.js';
import { dialectQueries } from '../../lib/protocol/query-dialects.js';

describe('The texts that other clients sign for a query', () => {
  it.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['a plain query', 'a=1&b=2', []],
    ['a query that all write alike', 'b=%20&a=%zz', []],
    ['Python: slashes stay', 'path=/a/b', ['path=/a/b']],
    ['Python: escaped slashes are unescaped', '%2Fa=%2f', ['/a=/']],
    ['Python and Rust: a trailing empty piece is a pair', 'a=1&', ['=&a=1']],
    ['Python, Rust: all of them are', 'a=1&&', ['=&=&a=1']],
    ['Python, then Rust: an empty piece and a slash', 'a=/&', ['=&a=/', '=&a=%2F']],
    ['Java: empty pieces do not count', 'a&&b', ['a=&b=']],
    ['Java: not even in front', '&a', ['a=']],
    [
      'all three: an empty piece within, one behind, and a slash',
      '/&&b&',
      ['=&=&/=&b=', '=&=&%2F=&b=', '%2F=&b='],
    ],
    ['only empty pieces', '&', ['=&=']],
    ['Java: names sorted by UTF-16 units', '%F0%9F%98%80&%EF%BF%BD', ['%F0%9F%98%80=&%EF%BF%BD=']],
    ['Java: values too', 'a=%EF%BF%BD&a=%F0%9F%98%80', ['a=%F0%9F%98%80&a=%EF%BF%BD']],
    ['Java: values only behind names', 'b=1&a=2&a=1&&', ['=&=&a=1&a=2&b=1']],
    ['no Java for names that are no text', '&%FF=1', []],
    ['no Java for values that are no text', '&a=%C3', []],
    ['a byte order mark, which is text', '%EF%BB%BF=1&&a', ['a=&%EF%BB%BF=1']],
    ['a slash in an escape that is none', '%/2F', ['%25/2F=']],
    ['a pair of nothing, which is no empty piece', 'a&=', []],
  ])('%s: %j', (_, query, texts) => {
    expect(dialectQueries(query, canonicalQuery(query))).toStrictEqual(texts);
  });

  it('never hold the canonical one, nor one of them twice', () => {
    for (const query of ['a=/', '&&', 'a&', '&a&', '/&&/', '%F0%9F%98%80&&%EF%BF%BD/&']) {
      const texts = [canonicalQuery(query), ...dialectQueries(query, canonicalQuery(query))];
      expect(new Set(texts).size).toBe(texts.length);
    }
  });

  it.each<[string, string, string]>([
    ['Java and .NET: text behind a second equals sign is dropped', 'a=b=c', 'a=b'],
    ['.NET: an escaped plus is a space', 'a=%2B', 'a=%20'],
    ['Python and Java: bytes that are no text are replaced', 'a=%FF', 'a=%EF%BF%BD'],
    ['Go: escapes are escaped', 'a=%20', 'a=%2520'],
    ['Go: pairs are sorted before they are decoded', '%62=1&a=1', 'b=1&a=1'],
  ])('never hold one that loses something. %s', (_, query, text) => {
    expect([canonicalQuery(query), ...dialectQueries(query, canonicalQuery(query))]).not.toContain(text);
  });
});
