import { canonicalQuery } from '../../lib/protocol/canonical-target.js';

const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('The canonical query', () => {
  it.each<[string, string, string]>([
    ['nothing', '', ''],
    ['a name without a value', 'a', 'a='],
    ['a name with an empty value', 'a=', 'a='],
    ['a value without a name', '=a', '=a'],
    ['neither name nor value', '=', '='],
    ['one pair', 'a=b', 'a=b'],
    ['a second equals sign', 'a=b=c', 'a=b%3Dc'],
    ['many equals signs', 'a===', 'a=%3D%3D'],

    ['only an empty piece', '&', ''],
    ['only empty pieces', '&&&', ''],
    ['an empty piece at the end', 'a=1&', 'a=1'],
    ['empty pieces at the end', 'a=1&&&', 'a=1'],
    ['an empty piece in front', '&a=1', '=&a=1'],
    ['empty pieces in the middle', 'a&&&b', '=&=&a=&b='],
    ['an empty pair at the end, which is no empty piece', 'a=1&=', '=&a=1'],
    ['an empty pair before empty pieces', '=&&', '='],

    ['names out of order', 'c=1&a=2&b=3', 'a=2&b=3&c=1'],
    ['values out of order', 'a=2&a=1&a=', 'a=&a=1&a=2'],
    ['numbers, which are sorted as text', 'a10=&a9=&a=10&a=9', 'a=10&a=9&a10=&a9='],
    ['capitals, which come first', 'b=&a=&B=&A=', 'A=&B=&a=&b='],
    ['names of which one begins with the other', 'ab=1&a=2', 'a=2&ab=1'],
    ['equal pairs', 'a=1&a=1', 'a=1&a=1'],
    ['names sorted as they are decoded', '%62=1&a=2', 'a=2&b=1'],
    ['values sorted as they are decoded', 'a=%32&a=1', 'a=1&a=2'],
    ['a name that is sorted before its encoding', 'a%2Fb=1&a-b=2&a0b=3', 'a-b=2&a%2Fb=1&a0b=3'],
    ['a name before one that goes on below the equals sign', 'a!=1&a=2', 'a=2&a%21=1'],

    ['a plus, which is a space', 'a+b=c+d', 'a%20b=c%20d'],
    ['an escaped space', 'a=%20', 'a=%20'],
    ['an escaped plus', 'a=%2B%2b', 'a=%2B%2B'],
    ['escapes in lower case', 'a=%2f%c3%a9', 'a=%2F%C3%A9'],
    ['escapes of what needs none', '%61=%7E%2d%5F%2e%41%30', 'a=~-_.A0'],
    ['an escaped ampersand and equals sign', 'a%26b%3Dc=d%26e%3Df', 'a%26b%3Dc=d%26e%3Df'],
    ['an escaped escape', 'a=%2541', 'a=%2541'],
    ['an escaped percent sign', 'a=%25', 'a=%25'],

    ['a percent sign', 'a=%', 'a=%25'],
    ['a percent sign before one digit', 'a=%4', 'a=%254'],
    ['a percent sign before letters that are no digits', 'a=%zz%4g%g4', 'a=%25zz%254g%25g4'],
    ['a percent sign before an escape', 'a=%%41', 'a=%25A'],
    ['a percent sign before a plus', 'a=%+', 'a=%25%20'],
    ['an escape that is broken by a plus', 'a=%2+B', 'a=%252%20B'],
    ['a percent sign at the end of a name', 'a%=b', 'a%25=b'],
    ['an escape that pieces would complete', 'a=%&41', '41=&a=%25'],

    ['unreserved bytes', 'a=-_.~AZaz09', 'a=-_.~AZaz09'],
    ['bytes that some encoders leave alone', "a=!'()*", 'a=%21%27%28%29%2A'],
    ['reserved bytes', 'a=:/?#[]@$,;', 'a=%3A%2F%3F%23%5B%5D%40%24%2C%3B'],
    ['bytes that are allowed nowhere', 'a="<>\\^`{|} ', 'a=%22%3C%3E%5C%5E%60%7B%7C%7D%20'],
    ['a question mark in a name', '?a=b', '%3Fa=b'],
    ['escaped control characters', 'a=%00%0a%0D%7f', 'a=%00%0A%0D%7F'],

    ['UTF-8 as it is', bytes('\u00e9=\u65e5'), '%C3%A9=%E6%97%A5'],
    ['bytes that are no UTF-8', 'a=%FF\u00fe', 'a=%FF%FE'],
    ['replacement characters, which are no other bytes', 'a=%FF&a=%EF%BF%BD', 'a=%EF%BF%BD&a=%FF'],
    ['names in the order of bytes, not of UTF-16', '%F0%9F%98%80&%EF%BF%BD', '%EF%BF%BD=&%F0%9F%98%80='],
  ])('of %s: %j becomes %j', (_, query, canonical) => {
    expect(canonicalQuery(query)).toBe(canonical);
  });

  it('encodes each of the 256 bytes but the 66 unreserved ones', () => {
    const unreserved = /[A-Za-z0-9\-_.~]/;
    let left = 0;
    for (let byte = 0; byte < 256; byte++) {
      const character = String.fromCharCode(byte);
      const escape = `%${byte.toString(16).padStart(2, '0')}`;
      const expected = unreserved.test(character) ? character : escape.toUpperCase();
      expect(canonicalQuery(`${escape}=${escape}`)).toBe(`${expected}=${expected}`);
      if (expected === character) left++;
    }
    expect(left).toBe(66);
  });

  it('of a canonical query is the same', () => {
    const canonical = canonicalQuery('b=%zz&a+b=c%2Fd&&=&a=%FF');
    expect(canonicalQuery(canonical)).toBe(canonical);
  });

  it.each([10, 100, 1000, 10_000])('of a query of %i pairs is sorted like that of a few', (count) => {
    const names = Array.from({ length: count }, (_, i) => String((i * 7919) % count).padStart(5, '0'));
    const canonical = names.toSorted().map((name) => `${name}=%2F${name}`);
    expect(canonicalQuery(names.map((name) => `${name}=/${name}`).join('&'))).toBe(canonical.join('&'));
    expect(canonicalQuery(canonical.join('&'))).toBe(canonical.join('&'));
  });

  it('of the longest query takes all the room that it could', () => {
    for (const length of [2047, 2048, 2049, 5000]) {
      expect(canonicalQuery('/'.repeat(length))).toBe(`${'%2F'.repeat(length)}=`);
      expect(canonicalQuery(`${'&'.repeat(length - 1)}a`)).toBe(`${'=&'.repeat(length - 1)}a=`);
    }
  });

  it('holds nothing of the query before it', () => {
    for (const before of ['a=%41%41%41%41', 'b=1&a=%41&c=2&d', `z=${'%41'.repeat(1000)}&a=1`]) {
      for (const [query, canonical] of [
        ['a=%', 'a=%25'],
        ['a=%4', 'a=%254'],
        ['b&a=%', 'a=%25&b='],
        ['b=1&a', 'a=&b=1'],
        ['&', ''],
      ] as const) {
        canonicalQuery(before);
        expect(canonicalQuery(query)).toBe(canonical);
      }
    }
  });

  it('of a long run of empty pieces takes no longer than their number', () => {
    expect(canonicalQuery(`a=1${'&'.repeat(1_000_000)}`)).toBe('a=1');
  });
});
